-- One feed's definition.
-- Parameters: name text.
-- Columns: publication text; slot text; start_lsn text; timeline integer; snapshot_id bigint; source text.
-- Since: PostgreSQL 10. Privilege: select on hadrian.feed.
select publication, slot, start_lsn::text as start_lsn, timeline, snapshot_id, source
from hadrian.feed
where name = :name
