-- When each object was last found the same on a standby.
-- Parameters: standby_node text.
-- Columns: what text; object text; lsn text, or NULL; items bigint; verified_at timestamptz.
-- Since: PostgreSQL 10. Privilege: select on hadrian.verified.
select what, object, lsn::text as lsn, items, verified_at
from hadrian.verified
where standby_node = :standby_node
order by what, object
