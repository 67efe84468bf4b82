-- Makes the function that writes one row's change into the journal, for tables whose statements are not seen whole, with
-- its owner's rights: who writes to the table need not write to the journal.
-- Parameters: none are bound; {function}, {journal}, {columns}, {key}, {new_columns} and {old_key}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 13. Privilege: create on schema hadrian.
create function {function}() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp
as $journal$
begin
  if tg_op = 'TRUNCATE' then
    insert into {journal} (_op, _xid) values ('truncate', pg_current_xact_id());
  elsif tg_op = 'DELETE' then
    insert into {journal} (_op, _xid, {key}) values ('delete', pg_current_xact_id(), {old_key});
  else
    insert into {journal} (_op, _xid, {columns}) values (lower(tg_op), pg_current_xact_id(), {new_columns});
  end if;
  return null;
end
$journal$
