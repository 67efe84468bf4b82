-- Drops a slot of this node, if it is there.
-- Parameters: slot text.
-- Columns: none of interest.
-- Since: PostgreSQL 9.4. Privilege: REPLICATION.
select pg_drop_replication_slot(slot_name)
from pg_replication_slots
where slot_name = cast(:slot as name)
