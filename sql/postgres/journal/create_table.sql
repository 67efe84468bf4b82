-- Makes a journal. Its table's columns come without constraints: a deleted row has only its key, a truncate nothing.
-- Parameters: none are bound; {journal}, its name, and {columns}, names and types, are put in.
-- Columns: none.
-- Since: PostgreSQL 13. Privilege: create on schema hadrian.
create table {journal} (
  _entry bigint generated always as identity primary key,
  _op text not null,
  _xid xid8 not null,
  _batch bigint,
  _seq bigint,
  _commit_time timestamptz,
  {columns}
)
