-- Which of some transactions run, on a primary; one that waits until a standby has confirmed it runs.
-- Parameters: xids bigint[], none of them still to be assigned.
-- Columns: xid bigint.
-- Since: PostgreSQL 13. Privilege: none.
select xid
from unnest(cast(:xids as bigint[])) as asked (xid)
where pg_xact_status(cast(cast(xid as text) as xid8)) = 'in progress'
