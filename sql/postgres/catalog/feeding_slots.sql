-- Slots of this database that subscriptions read, and how much log they have not confirmed.
-- Parameters: none.
-- Columns: name text; behind bigint, bytes; since timestamptz, when it was last read, NULL while it is or before
-- PostgreSQL 17.
-- Since: PostgreSQL 10. Privilege: none.
select
  slot.slot_name::text as name,
  case
    when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), slot.confirmed_flush_lsn)::bigint
  end as behind,
  (to_jsonb(slot) ->> 'inactive_since')::timestamptz as since
from pg_replication_slots slot
where slot.plugin = 'pgoutput' and slot.database = current_database()
order by name
