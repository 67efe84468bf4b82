-- Writes what each statement deletes into the journal.
-- Parameters: none are bound; {trigger}, {table}, {journal} and {key}, names, are put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: alter on the table, insert on the journal: whoever writes to the table needs neither.
create trigger {trigger} after delete on {table} referencing old table as changed_rows for each statement mode db2sql
insert into {journal} ("_op", {key}) select 'delete', {key} from changed_rows
