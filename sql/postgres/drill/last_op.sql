-- The number of the newest operation.
-- Parameters: none.
-- Columns: op bigint, 0 if there is none.
-- Since: PostgreSQL 10. Privilege: SELECT on drill.ledger.
select coalesce(max(op), 0) as op from drill.ledger
