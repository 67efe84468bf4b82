-- Makes a feed be no more; its snapshot's artifact is deleted behind it, in the same transaction.
-- Parameters: name text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.feed, select on its column name.
delete from hadrian.feed
where name = :name
