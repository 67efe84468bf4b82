-- The large objects of the database, and which of them the role may read.
-- Parameters: none.
-- Columns: oid bigint; readable boolean.
-- Since: PostgreSQL 10. Privilege: none.
select
  metadata.oid::bigint as oid,
  asking.rolsuper
  or exists (
    select
    from aclexplode(coalesce(lomacl, acldefault('L', lomowner))) granted
    where granted.privilege_type = 'SELECT'
      and (granted.grantee = 0 or pg_has_role(granted.grantee, 'usage'))
  ) as readable
from pg_largeobject_metadata metadata
join pg_roles asking on asking.rolname = current_user
order by metadata.oid
