-- What feeds have beside their record, and what a checkpoint says of the log behind it.

-- Up to where the log holds nothing for the feed behind the checkpoint's cursor.
alter table hadrian.checkpoint
  add column passed_lsn bigint
  add column passed_timeline integer;
