-- Records that a feed's snapshot is begun.
-- Parameters: feed text; start_lsn text; timeline integer; marks text; part_blocks integer; blocks bigint[].
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.snapshot.
insert into hadrian.snapshot (feed, start_lsn, timeline, marks, part_blocks, blocks)
values (:feed, cast(:start_lsn as pg_lsn), :timeline, :marks, :part_blocks, :blocks)
