-- Lets one artifact after another be held against the quotas, until the transaction ends. Not the table's own lock: that wants more
-- than a trainer may do.
-- Parameters: none.
-- Columns: pg_advisory_xact_lock void.
-- Since: PostgreSQL 11. Privilege: none.
select pg_advisory_xact_lock(hashtextextended('hadrian.quota', 0))
