-- Logical slots that a consumer could go on from: neither temporary nor invalidated. On a standby, a slot that is still
-- being synchronized is temporary, and is dropped at promotion.
-- Parameters: none.
-- Columns: name text; plugin text; failover boolean, false before PostgreSQL 17.
-- Since: PostgreSQL 10. Privilege: none.
select
  slot.slot_name::text as name,
  slot.plugin::text as plugin,
  -- Through jsonb, since older servers lack these columns.
  coalesce((to_jsonb(slot) ->> 'failover')::boolean, false) as failover
from pg_replication_slots slot
where slot.slot_type = 'logical'
  and not slot.temporary
  and to_jsonb(slot) ->> 'invalidation_reason' is null
  and to_jsonb(slot) ->> 'wal_status' is distinct from 'lost'
order by name
