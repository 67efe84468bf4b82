-- Publish a new text of a document: its draft and a last paragraph.
-- Parameters: module, qualname, paragraph text; op bigint.
-- Columns: none; one row is updated.
-- Since: PostgreSQL 10. Privilege: UPDATE on drill.docs, SELECT on drill.draft.
update drill.docs as d
set doc = draft.doc || chr(10) || chr(10) || cast(:paragraph as text), revision = :op
from drill.draft
where d.module = :module and d.qualname = :qualname
  and draft.module = d.module and draft.qualname = d.qualname
