-- The primary key of a table.
-- Parameters: schema text; name text.
-- Columns: name text, or NULL in the one row of a table that has no primary key; type_oid oid; modifier integer;
--   type text, as it is printed; base text, the type's name, or that of what a domain is made from. In the key's order.
-- Since: PostgreSQL 11. Privilege: none.
with recursive made_from as (
  select t.oid, t.oid as base, t.typbasetype as next, t.typname
  from pg_type as t
  union all
  select m.oid, t.oid, t.typbasetype, t.typname
  from made_from as m
  join pg_type as t on t.oid = m.next
)
select
  a.attname::text as name, a.atttypid as type_oid, a.atttypmod as modifier,
  format_type(a.atttypid, a.atttypmod) as type, m.typname::text as base
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
left join pg_index as i on i.indrelid = c.oid and i.indisprimary
left join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position) on k.position <= i.indnkeyatts
left join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
left join made_from as m on m.oid = a.atttypid and m.next = 0
where n.nspname = :schema and c.relname = :name and c.relkind in ('r', 'p')
order by k.position
