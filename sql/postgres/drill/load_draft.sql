-- Load one document that the writer may insert, update and delete.
-- Parameters: module, qualname, signature, doc text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: INSERT on drill.draft.
insert into drill.draft (module, qualname, signature, doc)
values (:module, :qualname, :signature, :doc)
