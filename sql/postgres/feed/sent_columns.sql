-- How the server sends the columns of a table in binary form.
-- Parameters: oid bigint, the table's; columns text[].
-- Columns: name text; send text, the type's send function in pg_catalog; never_null boolean.
-- Since: PostgreSQL 9.4. Privilege: none.
select
  a.attname::text as name,
  s.proname::text as send,
  a.attnotnull and not exists (
    select from pg_constraint as c where c.conrelid = a.attrelid and a.attnum = any (c.conkey) and not c.convalidated
  ) as never_null
from pg_attribute as a
join pg_type as t on t.oid = a.atttypid
join pg_proc as s on s.oid = t.typsend
where a.attrelid = cast(:oid as oid) and a.attname = any (cast(:columns as name[]))
