-- Every operation, in order.
-- Parameters: none.
-- Columns: op bigint; kind, module, qualname text; content_sha256 bytea, NULL for a delete.
-- Since: PostgreSQL 10. Privilege: SELECT on drill.ledger.
select op, kind, module, qualname, content_sha256 from drill.ledger order by op
