-- What feeds have beside their record, and what a checkpoint says of the log behind it.

-- Up to where the log holds nothing for the feed behind the checkpoint's cursor: its slot may move on there.
alter table hadrian.checkpoint
  add column passed_lsn pg_lsn,
  add column passed_timeline integer check (passed_timeline > 0),
  add constraint passed_is_whole check ((passed_lsn is null) = (passed_timeline is null));
