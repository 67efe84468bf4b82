-- Deletes the entries of batches that are consumed for good.
-- Parameters: feed varchar; {journal}, its name, is put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: delete on the journal, select on HADRIAN.JOURNAL.
delete from {journal} where "_batch" <= (select confirmed from hadrian.journal where feed = :feed)
