-- A feed's snapshot that is not finished.
-- Parameters: feed text.
-- Columns: start_lsn text; timeline integer; marks text; part_blocks integer; blocks bigint[].
-- Since: PostgreSQL 10. Privilege: select on hadrian.snapshot.
select start_lsn::text as start_lsn, timeline, marks, part_blocks, blocks
from hadrian.snapshot
where feed = :feed
