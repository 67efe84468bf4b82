-- Deletes the seals of batches that are consumed for good, but for the last of each timeline, which tells where it ended.
-- Parameters: feed varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: delete on HADRIAN.SEAL, select on HADRIAN.JOURNAL.
delete from hadrian.seal as old
where old.feed = :feed
  and old.number <= (select confirmed from hadrian.journal where feed = :feed)
  and old.number < (
    select max(later.number)
    from hadrian.seal as later
    where later.feed = old.feed and later.timeline = old.timeline
  )
