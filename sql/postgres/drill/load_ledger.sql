-- Record the initial load: one insert for each document.
-- Parameters: none.
-- Columns: none.
-- Since: PostgreSQL 11. Privilege: INSERT on drill.ledger, SELECT on drill.docs.
insert into drill.ledger (op, kind, module, qualname, content_sha256)
select revision, 'insert', module, qualname, sha256(convert_to(signature || chr(10) || doc, 'UTF8'))
from drill.docs
order by revision
