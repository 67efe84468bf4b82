-- The documents that the writer may write.
-- Parameters: none.
-- Columns: module, qualname text; published boolean, whether drill.docs has it now; out_of_line boolean, whether its
--   text is longer than a row may be (a column of storage external is moved out above 2 kB).
-- Since: PostgreSQL 10. Privilege: SELECT on drill.draft and drill.docs.
select
  draft.module,
  draft.qualname,
  d.revision is not null as published,
  octet_length(draft.doc) > 2048 as out_of_line
from drill.draft
left join drill.docs as d on d.module = draft.module and d.qualname = draft.qualname
order by draft.module collate "C", draft.qualname collate "C"
