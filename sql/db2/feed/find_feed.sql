-- One feed's definition.
-- Parameters: name varchar.
-- Columns: publication varchar; slot varchar; start_lsn bigint; timeline integer; snapshot_id bigint; source varchar.
-- (SQLAlchemy's dialect gives a reserved word, as SOURCE is to it, in upper case unless it is quoted.)
-- Since: Db2 10.5. Privilege: select on HADRIAN.FEED.
select publication, slot, start_lsn, timeline, snapshot_id, source as "source"
from hadrian.feed
where name = :name
with ur
