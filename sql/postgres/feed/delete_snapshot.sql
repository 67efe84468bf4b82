-- Forgets a feed's snapshot that is not finished, and its parts.
-- Parameters: feed text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.snapshot, select on its column feed.
delete from hadrian.snapshot
where feed = :feed
