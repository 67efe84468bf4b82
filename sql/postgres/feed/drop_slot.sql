-- Drops a logical slot of this database, if it is there; another database's of the same name stays.
-- Parameters: slot text.
-- Columns: none of interest.
-- Since: PostgreSQL 9.4. Privilege: REPLICATION.
select pg_drop_replication_slot(slot_name)
from pg_replication_slots
where slot_name = cast(:slot as name) and database = current_database()
