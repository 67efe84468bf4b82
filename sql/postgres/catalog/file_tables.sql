-- Foreign tables that read a file of the node's.
-- Parameters: none.
-- Columns: object text, quoted and qualified; path text, as the server opens it.
-- Since: PostgreSQL 10. Privilege: none.
select
  format('%I.%I', namespace.nspname, class.relname) as object,
  option.option_value as path
from pg_foreign_table
join pg_foreign_server server on server.oid = pg_foreign_table.ftserver
join pg_foreign_data_wrapper wrapper on wrapper.oid = server.srvfdw
join pg_proc handler on handler.oid = wrapper.fdwhandler and handler.prosrc = 'file_fdw_handler'
join pg_class class on class.oid = pg_foreign_table.ftrelid
join pg_namespace namespace on namespace.oid = class.relnamespace
cross join lateral pg_options_to_table(pg_foreign_table.ftoptions) option
where option.option_name = 'filename'
order by object
