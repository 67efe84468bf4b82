-- Notes that this session trains a run, until the session ends; waits while steps of the run are taken away.
-- Parameters: run text.
-- Columns: pg_advisory_lock_shared void.
-- Since: PostgreSQL 11. Privilege: none.
select pg_advisory_lock_shared(hashtextextended('hadrian.run ' || cast(:run as text), 0))
