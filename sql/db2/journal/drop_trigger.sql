-- Ends one of a journal's triggers.
-- Parameters: none are bound; {trigger}, its name, is put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: owner of the trigger.
drop trigger {trigger}
