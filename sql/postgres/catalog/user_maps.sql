-- The lines of pg_ident.conf as they stand in the file, in their order.
-- Parameters: none.
-- Columns: line integer; shown text; digest text, the same for the same line; refused boolean, whether the server cannot
-- read it.
-- Since: PostgreSQL 15. Privilege: select on pg_ident_file_mappings, and execute on pg_ident_file_mappings().
select
  mapping.line_number as line,
  concat_ws(' ', mapping.map_name, mapping.sys_name, mapping.pg_username) as shown,
  md5(concat_ws(' ', mapping.map_name, mapping.sys_name, mapping.pg_username)) as digest,
  mapping.error is not null as refused
from pg_ident_file_mappings mapping
order by coalesce((to_jsonb(mapping) ->> 'map_number')::int, mapping.line_number), mapping.line_number
