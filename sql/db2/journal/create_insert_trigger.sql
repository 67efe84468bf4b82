-- Writes what each statement inserts into the journal.
-- Parameters: none are bound; {trigger}, {table}, {journal} and {columns}, names, are put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: alter on the table, insert on the journal: whoever writes to the table needs neither.
create trigger {trigger} after insert on {table} referencing new table as changed_rows for each statement mode db2sql
insert into {journal} ("_op", {columns}) select 'insert', {columns} from changed_rows
