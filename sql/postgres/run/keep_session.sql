-- Keeps the server from ending this session because it is idle.
-- Parameters: none.
-- Columns: value text, or no row before PostgreSQL 14, which ends none.
-- Since: PostgreSQL 9.1. Privilege: none.
select set_config(name, '0', false) as value from pg_settings where name = 'idle_session_timeout'
