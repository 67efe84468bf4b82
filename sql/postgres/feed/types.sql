-- What domains and true arrays are made from, and the names of all types that users made.
-- Parameters: none.
-- Columns: oid bigint; name text, as it is printed; base bigint, the type a domain is made from, or 0;
--   base_modifier int4, the domain's modifier of that type, or -1; element bigint, an array's element type, or 0;
--   delimiter "char", what stands between an array's elements.
-- Since: PostgreSQL 10. Privilege: none.
select
  t.oid::bigint as oid,
  format_type(t.oid, null) as name,
  t.typbasetype::bigint as base,
  t.typtypmod as base_modifier,
  coalesce(e.oid, 0)::bigint as element,
  coalesce(e.typdelim, t.typdelim) as delimiter
from pg_type as t
left join pg_type as e on e.oid = t.typelem and e.typarray = t.oid
where t.typtype = 'd' or e.oid is not null or t.oid >= 16384
