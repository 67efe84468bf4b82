-- Servers of a federation.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, the server, its type and its wrapper.
-- Since: Db2 10.5. Privilege: select on SYSCAT.SERVERS (PUBLIC has it, unless the database is restrictive).
select
  'FEDERATION' as subject,
  'federated server ' || servername || ' (' || coalesce(servertype, 'no type') || ' through ' || wrapname || ')' as object
from syscat.servers
order by servername
with ur
