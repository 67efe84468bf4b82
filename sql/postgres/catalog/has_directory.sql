-- Whether this node has a directory.
-- Parameters: path text, absolute.
-- Columns: present boolean.
-- Since: PostgreSQL 10. Privilege: pg_read_server_files, and execute on pg_stat_file(text, boolean).
select coalesce((pg_stat_file(:path, true)).isdir, false) as present
