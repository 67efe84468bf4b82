-- Keeps a run from being trained until the transaction ends.
-- Parameters: run text.
-- Columns: pg_try_advisory_xact_lock boolean, false if somebody trains it.
-- Since: PostgreSQL 11. Privilege: none.
select pg_try_advisory_xact_lock(hashtextextended('hadrian.run ' || cast(:run as text), 0))
