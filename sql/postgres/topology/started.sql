-- When this server was started: to the microsecond, it tells one server from another behind whatever address.
-- Parameters: none.
-- Columns: started text.
-- Since: PostgreSQL 8.1. Privilege: none.
select pg_postmaster_start_time()::text as started
