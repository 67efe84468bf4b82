-- Whether the role sees what every session does.
-- Parameters: none.
-- Columns: sees boolean; role text, quoted.
-- Since: PostgreSQL 10. Privilege: none.
select pg_has_role('pg_read_all_stats', 'usage') as sees, format('%I', current_user) as role
