-- A run's journal behind a step and up to another, in order.
-- Parameters: run text; after integer; up_to integer.
-- Columns: step integer; timeline integer; before_lsn text; before_seq bigint; after_lsn text; after_seq bigint;
--   row_count integer; rows_sha256 bytea; loss double precision; grad_norm double precision.
-- Since: PostgreSQL 10. Privilege: select on hadrian.step.
select
  step, timeline, before_lsn::text as before_lsn, before_seq, after_lsn::text as after_lsn, after_seq,
  row_count, rows_sha256, loss, grad_norm
from hadrian.step
where run = :run and step > :after and step <= :up_to
order by step
