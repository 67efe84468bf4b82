-- Drops a logical slot of this database, if it is there; another database's of the same name stays, and a standby's
-- copy goes with the primary's.
-- Parameters: slot text.
-- Columns: none of interest.
-- Since: PostgreSQL 9.4. Privilege: REPLICATION.
select pg_drop_replication_slot(slot_name)
from pg_replication_slots
where
  slot_name = cast(:slot as name)
  and database = current_database()
  -- Through jsonb, since older servers lack the column.
  and not (pg_is_in_recovery() and coalesce((to_jsonb(pg_replication_slots) ->> 'synced')::boolean, false))
