-- Materialized views that were never filled, or were emptied: a query of one fails.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted and qualified; command text, mends it.
-- Since: PostgreSQL 10. Privilege: none.
select
  'UNPOPULATED_VIEW' as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  format('refresh materialized view %I.%I;', namespace.nspname, class.relname) as command
from pg_class class
join pg_namespace namespace on namespace.oid = class.relnamespace
where class.relkind = 'm' and not class.relispopulated
order by object
