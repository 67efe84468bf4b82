-- Says up to which batch a feed's journal is consumed for good; going back has no effect.
-- Parameters: feed text; number bigint.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: update on hadrian.journal.
update hadrian.journal set confirmed = :number where feed = :feed and confirmed < :number
