-- Withdraw a document.
-- Parameters: module, qualname text.
-- Columns: none; one row is deleted.
-- Since: PostgreSQL 10. Privilege: DELETE on drill.docs.
delete from drill.docs
where module = :module and qualname = :qualname
