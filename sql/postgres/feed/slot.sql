-- A logical slot of this database on this node.
-- Parameters: slot text.
-- Columns: plugin text; active boolean; confirmed text, the position up to which rows are no longer kept;
--   lost boolean, whether the log it needs is gone.
-- Since: PostgreSQL 13. Privilege: none.
select plugin::text as plugin, active, confirmed_flush_lsn::text as confirmed, wal_status = 'lost' as lost
from pg_replication_slots
where slot_name = cast(:slot as name) and slot_type = 'logical' and database = current_database()
