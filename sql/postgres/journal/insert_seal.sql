-- Says that a batch is whole, and on which timeline.
-- Parameters: feed text; number bigint; row_count bigint.
-- Columns: timeline integer.
-- Since: PostgreSQL 13. Privilege: insert on hadrian.seal, execute on the functions for the log's position (PUBLIC has it).
insert into hadrian.seal (feed, number, row_count, timeline)
values (
  :feed, :number, :row_count,
  ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
)
returning timeline
