-- What feeds have beside their record, and what a checkpoint says of the log behind it.

-- Up to where the log holds nothing for the feed behind the checkpoint's cursor.
alter table hadrian.checkpoint
  add column passed_lsn bigint
  add column passed_timeline integer;

-- Which rows a step was trained on, once the log is gone: eight bytes of each row's key, in order. Steps that were
-- recorded before this column have none.
alter table hadrian.step
  add column key_digests blob(16m) logged not compact inline length 8000;
