-- Hadrian's tables that are not in the log.
-- Parameters: none.
-- Columns: object text, quoted and qualified; reason text; remedy text.
-- Since: PostgreSQL 9.1. Privilege: none.
select
  format('%I.%I', n.nspname, c.relname) as object,
  'is UNLOGGED' as reason,
  format('alter table %I.%I set logged', n.nspname, c.relname) as remedy
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'hadrian' and c.relkind = 'r' and c.relpersistence <> 'p'
order by c.oid
