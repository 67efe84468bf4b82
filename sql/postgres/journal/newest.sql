-- The newest seal of a feed.
-- Parameters: feed text.
-- Columns: newest bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.seal.
select coalesce(max(number), 0) as newest from hadrian.seal where feed = :feed
