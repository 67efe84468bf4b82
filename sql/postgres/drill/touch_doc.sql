-- Give a document a new revision and leave its text alone: if that lies out of line, the log omits it.
-- Parameters: module, qualname text; op bigint.
-- Columns: none; one row is updated.
-- Since: PostgreSQL 10. Privilege: UPDATE on drill.docs.
update drill.docs
set revision = :op
where module = :module and qualname = :qualname
