-- When each object was last found the same on a standby.
-- Parameters: standby_node varchar.
-- Columns: what varchar; object varchar; lsn bigint, or NULL; items bigint; verified_at timestamp.
-- Since: Db2 10.5. Privilege: select on hadrian.verified.
select what, object, lsn, items, verified_at
from hadrian.verified
where standby_node = :standby_node
order by what, object
