-- Become the one writer, until the session ends. False while another session is, be it one whose client has gone
-- and whose last commit is still under way: what it wrote is decided once this is true.
-- Parameters: none. The key spells DRIL in ASCII.
-- Columns: locked boolean.
-- Since: PostgreSQL 10. Privilege: none.
select pg_try_advisory_lock(1146243404) as locked
