-- What a run's journal says of the steps that led to a checkpoint.
-- Parameters: run text; after integer, a step; up_to integer, the checkpoint's step.
-- Columns: steps bigint; row_count bigint; first_step integer; last_step integer; first_loss and last_loss
--   double precision; began_at and ended_at timestamptz; but for the counts, NULL if there is none.
-- Since: PostgreSQL 10. Privilege: select on hadrian.step.
select
  count(*) as steps, coalesce(sum(row_count), 0)::bigint as row_count,
  min(step) as first_step, max(step) as last_step,
  (array_agg(loss order by step))[1] as first_loss, (array_agg(loss order by step desc))[1] as last_loss,
  min(recorded_at) as began_at, max(recorded_at) as ended_at
from hadrian.step
where run = :run and step > :after and step <= :up_to
