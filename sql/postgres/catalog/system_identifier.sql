-- Which system the node belongs to: drawn by initdb, the same on every physical copy.
-- Parameters: none.
-- Columns: system_identifier text.
-- Since: PostgreSQL 10. Privilege: none.
select system_identifier::text as system_identifier from pg_control_system()
