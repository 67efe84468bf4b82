-- Whether this role may read a table's pages here.
-- Parameters: none.
-- Columns: superuser boolean; pageinspect text, the quoted schema of the extension, NULL where it is not installed.
-- Since: PostgreSQL 10. Privilege: none.
select
  rolsuper as superuser,
  (
    select quote_ident(n.nspname)
    from pg_extension as e
    join pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'pageinspect'
  ) as pageinspect
from pg_roles
where rolname = current_user
