-- Makes a second slot at the position of the first that only this session can read and that goes with it.
-- Parameters: slot text; copy text.
-- Columns: lsn text.
-- Since: PostgreSQL 12. Privilege: REPLICATION.
select lsn::text from pg_copy_logical_replication_slot(cast(:slot as name), cast(:copy as name), true)
