-- A logical slot of this database as its node shows it, and the log that it may hold back; one row, also without a slot.
-- Parameters: slot text.
-- Columns: log_end text, the end of the log here; keep_bytes bigint, max_slot_wal_keep_size, NULL if it is unlimited or
--   not there; present boolean; active boolean; active_pid integer; confirmed text, the position up to which rows are
--   no longer kept; held_bytes bigint, of log; wal_status text; safe_bytes bigint, that may be written before the slot
--   is in danger; invalidation text, why it cannot be read any more; inactive_since timestamptz; idle_limit_s integer,
--   idle_replication_slot_timeout, NULL if there is none; in_recovery boolean, of the node; exposed text, why vacuum on
--   the primary may remove rows that decoding on this standby needs; failover boolean, whether standbys copy it;
--   copied boolean, whether it is a standby's copy, which cannot be read here; finished boolean, whether a promotion
--   would keep it; awaited text array, the slots of standbys that its rows wait for and nobody uses.
-- Since: PostgreSQL 10, where what a later version brought is NULL. Privilege: none.
with node as (
  select
    case
      when pg_is_in_recovery() then coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')
      else pg_current_wal_lsn()
    end as log_end,
    (
      select setting::bigint * 1048576 from pg_settings where name = 'max_slot_wal_keep_size' and setting::bigint >= 0
    ) as keep_bytes,
    (
      select nullif(setting::integer * case unit when 'min' then 60 else 1 end, 0)
      from pg_settings
      where name = 'idle_replication_slot_timeout'
    ) as idle_limit_s,
    pg_is_in_recovery() as in_recovery,
    case
      when not pg_is_in_recovery() then null
      when not current_setting('hot_standby_feedback')::boolean then 'hot_standby_feedback is off'
      when (select setting from pg_settings where name = 'primary_slot_name') = '' then 'primary_slot_name is not set'
    end as exposed
)
select
  node.log_end::text as log_end,
  node.keep_bytes,
  node.idle_limit_s,
  node.in_recovery,
  node.exposed,
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
  (to_jsonb(slot) ->> 'inactive_since')::timestamptz as inactive_since,
  coalesce((to_jsonb(slot) ->> 'failover')::boolean, false) as failover,
  node.in_recovery and coalesce((to_jsonb(slot) ->> 'synced')::boolean, false) as copied,
  not coalesce(slot.temporary, false) as finished,
  array(
    select name
    from
      unnest(
        string_to_array(replace(coalesce(current_setting('synchronized_standby_slots', true), ''), ' ', ''), ',')
      ) as name
    where
      (to_jsonb(slot) ->> 'failover')::boolean
      and not node.in_recovery
      and not exists (select from pg_replication_slots as used where used.slot_name::text = name and used.active)
  ) as awaited
from node
left join pg_replication_slots as slot
  on slot.slot_name = cast(:slot as name) and slot.slot_type = 'logical' and slot.database = current_database()
