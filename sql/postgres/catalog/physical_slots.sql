-- Physical slots: no node but this one has them.
-- Parameters: none.
-- Columns: name text; size bigint, bytes of log kept for it; since timestamptz, when it was last used, NULL while it is
-- or before PostgreSQL 17.
-- Since: PostgreSQL 10. Privilege: none.
select
  slot.slot_name::text as name,
  case
    when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), slot.restart_lsn)::bigint
  end as size,
  (to_jsonb(slot) ->> 'inactive_since')::timestamptz as since
from pg_replication_slots slot
where slot.slot_type = 'physical' and not slot.temporary
order by name
