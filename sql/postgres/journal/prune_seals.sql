-- Deletes the seals of batches that are consumed for good, but for the last of each timeline, which tells where it ended.
-- Parameters: feed text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.seal, select on hadrian.journal.
delete from hadrian.seal
where feed = :feed
  and number <= (select confirmed from hadrian.journal where feed = :feed)
  and number < (
    select max(later.number)
    from hadrian.seal as later
    where later.feed = :feed and later.timeline = hadrian.seal.timeline
  )
