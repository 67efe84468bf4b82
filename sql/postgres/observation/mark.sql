-- The oldest transaction that may still write: rows of older ones stay as they are, or go.
--
-- Parameters: none
-- Columns: mark text
-- Since: PostgreSQL 13
-- Privilege: none
select pg_snapshot_xmin(pg_current_snapshot())::text as mark
