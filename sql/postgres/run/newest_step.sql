-- The newest step of a run's journal, at or before a step, whose cursor is at or before a position of the log.
-- Parameters: run text; up_to integer; lsn text.
-- Columns: step integer; timeline integer, lsn text and seq bigint of the cursor behind it. No row if there is none.
-- Since: PostgreSQL 10. Privilege: select on hadrian.step.
select step, timeline, after_lsn::text as lsn, after_seq as seq
from hadrian.step
where run = :run and step <= :up_to and (after_lsn, after_seq) <= (cast(:lsn as pg_lsn), 0)
order by step desc
limit 1
