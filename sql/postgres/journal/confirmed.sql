-- Up to which batch a feed's journal is consumed for good.
-- Parameters: feed text.
-- Columns: confirmed bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.journal.
select confirmed from hadrian.journal where feed = :feed
