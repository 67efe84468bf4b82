-- Writes one step of the step journal.
-- Parameters: run text; step integer; timeline integer; before_lsn text; before_seq bigint; after_lsn text;
--   after_seq bigint; row_count integer; rows_sha256 bytea; key_digests bytea, or NULL; loss double precision;
--   grad_norm double precision.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.step.
insert into hadrian.step
  (run, step, timeline, before_lsn, before_seq, after_lsn, after_seq, row_count, rows_sha256, key_digests, loss,
   grad_norm)
values
  (:run, :step, :timeline, cast(:before_lsn as pg_lsn), :before_seq, cast(:after_lsn as pg_lsn), :after_seq,
   :row_count, :rows_sha256, cast(:key_digests as bytea), :loss, :grad_norm)
