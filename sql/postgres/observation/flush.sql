-- Has this session hand in its statistics when the statement ends; they are then counted for the next one.
--
-- Parameters: none
-- Columns: of no interest
-- Since: PostgreSQL 15
-- Privilege: none
select pg_stat_force_next_flush()
