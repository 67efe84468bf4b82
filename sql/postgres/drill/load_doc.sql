-- Load one document as it was first published.
-- Parameters: module, qualname, signature, doc text; op bigint, its number in load order.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: INSERT on drill.docs.
insert into drill.docs (module, qualname, signature, doc, revision)
values (:module, :qualname, :signature, :doc, :op)
