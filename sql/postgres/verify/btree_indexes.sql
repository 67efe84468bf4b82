-- B-tree indexes of this database's tables, and whether this role may check them with amcheck.
-- Parameters: none.
-- Columns: oid bigint; name text, qualified and quoted; table text, the same of its table; plain text, the table's unquoted;
--   size bigint, bytes; catalog boolean, whether it is one of the server's own; amcheck text, the quoted schema of the
--   extension, NULL where it is not installed; permitted boolean, whether the role may run it, NULL likewise.
-- Since: PostgreSQL 11. Privilege: none.
select
  i.oid::bigint as oid,
  format('%I.%I', n.nspname, i.relname) as name,
  format('%I.%I', n.nspname, c.relname) as table,
  format('%s.%s', n.nspname, c.relname) as plain,
  pg_relation_size(i.oid) as size,
  n.nspname in ('pg_catalog', 'information_schema') as catalog,
  (
    select quote_ident(home.nspname)
    from pg_extension as e
    join pg_namespace as home on home.oid = e.extnamespace
    where e.extname = 'amcheck'
  ) as amcheck,
  (
    select has_function_privilege(p.oid, 'execute')
    from pg_depend as d
    join pg_extension as e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass and e.extname = 'amcheck'
    join pg_proc as p on p.oid = d.objid and d.classid = 'pg_proc'::regclass
    where p.proname = 'bt_index_check' and p.pronargs = 2
  ) as permitted
from pg_index as x
join pg_class as i on i.oid = x.indexrelid and i.relkind = 'i' and i.relpersistence = 'p'
join pg_am as am on am.oid = i.relam and am.amname = 'btree'
join pg_class as c on c.oid = x.indrelid
join pg_namespace as n on n.oid = c.relnamespace
where x.indisvalid and x.indisready and n.nspname <> 'pg_toast'
order by 3, 2
