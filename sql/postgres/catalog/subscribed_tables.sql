-- The tables that the subscriptions of this database know, and how far the first copy of each has come.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted and qualified; detail text, of its subscription;
-- ready boolean, whether the copy is done; rows bigint, the planner's estimate.
-- Since: PostgreSQL 10. Privilege: none.
select
  'UNREADY_TABLE' as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  format('%I', subname) as detail,
  srsubstate in ('s', 'r') as ready,
  case when class.reltuples >= 0 then class.reltuples::bigint end as rows
from pg_subscription_rel
join pg_subscription on pg_subscription.oid = srsubid
join pg_class class on class.oid = srrelid
join pg_namespace namespace on namespace.oid = class.relnamespace
where subdbid = (select oid from pg_database where datname = current_database())
order by object
