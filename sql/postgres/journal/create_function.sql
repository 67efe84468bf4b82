-- Makes the function that writes a statement's changes into the journal, with its owner's rights: who writes to the table
-- need not write to the journal. An update that changes the key leaves the new row only, as in the log.
-- Parameters: none are bound; {function}, {journal}, {columns} and {key}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 13. Privilege: create on schema hadrian.
create function {function}() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp
as $journal$
begin
  if tg_op = 'TRUNCATE' then
    insert into {journal} (_op, _xid) values ('truncate', pg_current_xact_id());
  elsif tg_op = 'DELETE' then
    insert into {journal} (_op, _xid, {key}) select 'delete', pg_current_xact_id(), {key} from changed_rows;
  else
    insert into {journal} (_op, _xid, {columns}) select lower(tg_op), pg_current_xact_id(), {columns} from changed_rows;
  end if;
  return null;
end
$journal$
