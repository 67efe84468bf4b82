-- One seal of a feed.
-- Parameters: feed text; number bigint.
-- Columns: row_count bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.seal.
select row_count from hadrian.seal where feed = :feed and number = :number
