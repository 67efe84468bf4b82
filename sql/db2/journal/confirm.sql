-- Says up to which batch a feed's journal is consumed for good; going back has no effect.
-- Parameters: feed varchar; number bigint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: update on HADRIAN.JOURNAL.
update hadrian.journal set confirmed = :number where feed = :feed and confirmed < :number
