-- A logical slot of this database as its node shows it, and the log that it may hold back; one row, also without a slot.
-- Parameters: slot text.
-- Columns: log_end text, the end of the log here; keep_bytes bigint, max_slot_wal_keep_size, NULL if it is unlimited or
--   not there; present boolean; active boolean; active_pid integer; confirmed text, the position up to which rows are
--   no longer kept; held_bytes bigint, of log; wal_status text; safe_bytes bigint, that may be written before the slot
--   is in danger; invalidation text, why it cannot be read any more; inactive_since timestamptz.
-- Since: PostgreSQL 10, where what a later version brought is NULL. Privilege: none.
with node as (
  select
    case
      when pg_is_in_recovery() then coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')
      else pg_current_wal_lsn()
    end as log_end,
    (
      select setting::bigint * 1048576 from pg_settings where name = 'max_slot_wal_keep_size' and setting::bigint >= 0
    ) as keep_bytes
)
select
  node.log_end::text as log_end,
  node.keep_bytes,
  slot.slot_name is not null as present,
  coalesce(slot.active, false) as active,
  slot.active_pid,
  slot.confirmed_flush_lsn::text as confirmed,
  greatest(node.log_end - slot.restart_lsn, 0)::bigint as held_bytes,
  -- Through jsonb, since older servers lack these columns.
  to_jsonb(slot) ->> 'wal_status' as wal_status,
  (to_jsonb(slot) ->> 'safe_wal_size')::bigint as safe_bytes,
  coalesce(
    to_jsonb(slot) ->> 'invalidation_reason',
    case when (to_jsonb(slot) ->> 'conflicting')::boolean then 'conflict with recovery' end,
    case when to_jsonb(slot) ->> 'wal_status' = 'lost' then 'wal_removed' end
  ) as invalidation,
  (to_jsonb(slot) ->> 'inactive_since')::timestamptz as inactive_since
from node
left join pg_replication_slots as slot
  on slot.slot_name = cast(:slot as name) and slot.slot_type = 'logical' and slot.database = current_database()
