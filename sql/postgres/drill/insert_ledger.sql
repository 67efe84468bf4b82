-- Record an operation, in its transaction and right after it: the digest is of the row as it now is.
-- Parameters: op bigint; kind, module, qualname text.
-- Columns: none.
-- Since: PostgreSQL 11. Privilege: INSERT on drill.ledger, SELECT on drill.docs.
insert into drill.ledger (op, kind, module, qualname, content_sha256)
values (:op, :kind, :module, :qualname, (
  select sha256(convert_to(signature || chr(10) || doc, 'UTF8'))
  from drill.docs
  where module = :module and qualname = :qualname
))
