-- Transactions that may have written their commit into the log and do not show it yet, as one does that waits for a
-- synchronous standby. One that waits for its client has not written it; a prepared one has no session of its own.
-- Parameters: none.
-- Columns: xids text[].
-- Since: PostgreSQL 9.4. Privilege: pg_monitor.
select coalesce(array_agg(xid::text), '{}') as xids
from (
  select backend_xid as xid
  from pg_stat_activity
  where backend_xid is not null and coalesce(state, '') not like 'idle in transaction%'
  union all
  select transaction
  from pg_prepared_xacts
  where exists (select from pg_stat_activity where state = 'active' and query ~* '^\s*commit\s+prepared')
) as open
