-- Up to which batch a feed's journal is consumed for good.
-- Parameters: feed varchar.
-- Columns: confirmed bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.JOURNAL.
select confirmed from hadrian.journal where feed = :feed with ur
