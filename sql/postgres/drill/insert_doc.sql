-- Publish a document as drafted.
-- Parameters: module, qualname text; op bigint.
-- Columns: none; one row is inserted.
-- Since: PostgreSQL 10. Privilege: INSERT on drill.docs, SELECT on drill.draft.
insert into drill.docs (module, qualname, signature, doc, revision)
select module, qualname, signature, doc, cast(:op as bigint)
from drill.draft
where module = :module and qualname = :qualname
