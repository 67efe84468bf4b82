-- Event triggers that fire when a session begins, on a standby too.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted; detail text, the function it calls; command text,
-- mends it.
-- Since: PostgreSQL 10, which has none; they came with 17. Privilege: none.
select
  'LOGIN_TRIGGER' as subject,
  format('%I', evtname) as object,
  format('%I.%I', namespace.nspname, function.proname) as detail,
  format('alter event trigger %I disable;', evtname) as command
from pg_event_trigger
join pg_proc function on function.oid = pg_event_trigger.evtfoid
join pg_namespace namespace on namespace.oid = function.pronamespace
where evtevent = 'login' and evtenabled in ('O', 'A')
order by object
