-- Who asks, and of which server.
-- Parameters: none.
-- Columns: name text, the role, quoted; version integer, as the server counts it: 180006; all_settings boolean, whether
-- the role sees every setting.
-- Since: PostgreSQL 10. Privilege: none.
select
  format('%I', current_user) as name,
  current_setting('server_version_num')::int as version,
  pg_has_role('pg_read_all_settings', 'usage') as all_settings
