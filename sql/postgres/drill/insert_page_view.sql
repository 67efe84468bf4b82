-- Record that somebody read a document. The table is unlogged.
-- Parameters: module, qualname text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: INSERT on drill.page_view.
insert into drill.page_view (module, qualname)
values (:module, :qualname)
