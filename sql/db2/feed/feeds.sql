-- Every feed of this database.
-- Parameters: none.
-- Columns: name varchar; publication varchar; slot varchar; start_lsn bigint; timeline integer; snapshot_id bigint; source varchar.
-- (SQLAlchemy's dialect gives a reserved word, as SOURCE is to it, in upper case unless it is quoted.)
-- Since: Db2 10.5. Privilege: select on HADRIAN.FEED.
select name, publication, slot, start_lsn, timeline, snapshot_id, source as "source"
from hadrian.feed
order by name
with ur
