-- Transactions that may have written their commit into the log and do not show it yet, as one does that waits for a
-- synchronous standby. One that waits for its client has not written it.
-- Parameters: none.
-- Columns: xids text[].
-- Since: PostgreSQL 9.4. Privilege: pg_monitor.
select coalesce(array_agg(backend_xid::text), '{}') as xids
from pg_stat_activity
where backend_xid is not null and coalesce(state, '') not like 'idle in transaction%'
