-- Lets a slot of this node forget the transactions that commit before a position; it is never moved back, and a
-- standby's copy of the primary's follows by itself.
-- Parameters: slot text; lsn text.
-- Columns: none of interest.
-- Since: PostgreSQL 11, on a standby 16. Privilege: REPLICATION.
select pg_replication_slot_advance(slot_name, cast(:lsn as pg_lsn))
from pg_replication_slots
where
  slot_name = cast(:slot as name)
  and slot_type = 'logical'
  and confirmed_flush_lsn < cast(:lsn as pg_lsn)
  -- Through jsonb, since older servers lack the column.
  and not (pg_is_in_recovery() and coalesce((to_jsonb(pg_replication_slots) ->> 'synced')::boolean, false))
