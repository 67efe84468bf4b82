-- Waits until no other sealer is at work on a feed's journal, and keeps others out until the transaction ends.
-- Parameters: feed varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: update on HADRIAN.JOURNAL.
update hadrian.journal set confirmed = confirmed where feed = :feed
