-- Makes a journal. Its table's columns come without constraints: a deleted row has only its key. Entries are numbered in the
-- order in which the triggers ask, whatever is cached. A row must not extend beyond its page: no standby could read it.
-- Parameters: none are bound; {journal}, its name, and {columns}, names and types, are put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: createin on schema HADRIAN.
create table {journal} (
  "_entry" bigint not null generated always as identity (start with 1, increment by 1, order),
  "_op" varchar(8) not null,
  "_batch" bigint,
  "_seq" bigint,
  {columns},
  primary key ("_entry")
) in hadrian_32k
