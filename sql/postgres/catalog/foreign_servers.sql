-- Foreign servers, and from where they are reached. One whose host is this very machine is another one after takeover.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted; detail text; grade text.
-- Since: PostgreSQL 10. Privilege: none.
select
  'FOREIGN_SERVER' as subject,
  format('%I', server.srvname) as object,
  case
    when host.name is null then 'its host is whatever its wrapper ' || wrapper.fdwname || ' makes of the options'
    when host.is_here then 'its host ' || host.name || ' is the node itself'
    else 'its host is ' || host.name
  end as detail,
  case when host.is_here then 'should' else 'may' end as grade
from pg_foreign_server server
join pg_foreign_data_wrapper wrapper on wrapper.oid = server.srvfdw
cross join lateral (
  select said.name, said.name ~ '^(localhost|127\.[0-9.]+|::1|/.*|)$' as is_here
  from (
    select coalesce(
      (
        select coalesce(max(option_value) filter (where option_name = 'hostaddr'), max(option_value))
        from pg_options_to_table(server.srvoptions)
        where option_name in ('host', 'hostaddr')
      ),
      -- libpq's own default is a socket of the node.
      case when wrapper.fdwname in ('postgres_fdw', 'dblink_fdw') then 'localhost' end
    ) as name
  ) said
) host
where not exists (
  select
  from pg_proc handler
  where handler.oid = wrapper.fdwhandler and handler.prosrc = 'file_fdw_handler'
)
order by object
