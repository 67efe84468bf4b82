-- What feeds have beside their record, and what a checkpoint says of the log behind it.

-- Up to where the log holds nothing for the feed behind the checkpoint's cursor: its slot may move on there.
alter table hadrian.checkpoint
  add column passed_lsn pg_lsn,
  add column passed_timeline integer check (passed_timeline > 0),
  add constraint passed_is_whole check ((passed_lsn is null) = (passed_timeline is null));

-- Which rows a step was trained on, once the log is gone: eight bytes of each row's key, in order. Steps that were
-- recorded before this column have none.
alter table hadrian.step
  add column key_digests bytea,
  add constraint key_digests_fit check (octet_length(key_digests) = 8::bigint * row_count);

-- Digests cannot be compressed: tell TOAST not to try.
alter table hadrian.step alter column key_digests set storage external;
