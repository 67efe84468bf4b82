-- The tables that each subscription of this database knows, and whether their first copy is done.
-- Parameters: none.
-- Columns: subscription text; object text, quoted and qualified; ready boolean.
-- Since: PostgreSQL 10. Privilege: none.
select
  subname::text as subscription,
  format('%I.%I', namespace.nspname, class.relname) as object,
  srsubstate in ('s', 'r') as ready
from pg_subscription_rel
join pg_subscription on pg_subscription.oid = srsubid
join pg_class class on class.oid = srrelid
join pg_namespace namespace on namespace.oid = class.relnamespace
where subdbid = (select oid from pg_database where datname = current_database())
order by subscription, object
