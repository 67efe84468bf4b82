-- Temporary tables and sequences that sessions have open now: they end with the primary, and no standby lets a session
-- make one.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted and qualified; grade text; rows bigint, the planner's
-- estimate.
-- Since: PostgreSQL 10. Privilege: none.
select
  'TEMPORARY_TABLE' as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  'may' as grade,
  case when class.relkind = 'r' and class.reltuples >= 0 then class.reltuples::bigint end as rows
from pg_class class
join pg_namespace namespace on namespace.oid = class.relnamespace
where class.relpersistence = 't' and class.relkind in ('r', 'p')
order by object
