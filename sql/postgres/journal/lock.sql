-- Waits until no other sealer is at work on a feed's journal, and keeps others out until the transaction ends.
-- Parameters: feed text.
-- Columns: confirmed bigint.
-- Since: PostgreSQL 10. Privilege: select and update on hadrian.journal.
select confirmed from hadrian.journal where feed = :feed for update
