-- Wait until nobody else migrates this database; held to the end of the transaction.
-- Parameters: none. The key spells HADR in ASCII, and 1 is for migrations.
-- Columns: pg_advisory_xact_lock void.
-- Since: PostgreSQL 10. Privilege: none.
select pg_advisory_xact_lock(1212236882, 1)
