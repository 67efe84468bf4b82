-- Keeps others from removing checkpoints until the transaction ends: they update chunks, and two would meet in a circle.
-- Parameters: none.
-- Columns: pg_advisory_xact_lock void.
-- Since: PostgreSQL 11. Privilege: none.
select pg_advisory_xact_lock(hashtextextended('hadrian.checkpoint', 0))
