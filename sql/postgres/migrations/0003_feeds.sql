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

-- Where a feed's changes come from: the log, through a slot, or a journal that triggers fill.
alter table hadrian.feed
  add column source text not null default 'wal' check (source in ('wal', 'journal'));

-- A feed's journal: its entries are in a table of its own, hadrian.journal_<feed>, which has the columns of the table that
-- is fed. What is sealed in batches up to `confirmed` is consumed for good and may be deleted.
create table hadrian.journal (
  feed        text   primary key references hadrian.feed on delete cascade,
  schema_name text   not null,
  table_name  text   not null,
  confirmed   bigint not null check (confirmed >= 0)
);

-- A batch of entries that is whole: the row comes in a transaction of its own, behind the one that filled the batch.
create table hadrian.seal (
  feed      text        not null references hadrian.journal on delete cascade,
  number    bigint      not null check (number > 0),
  row_count bigint      not null check (row_count >= 0),
  timeline  integer     not null check (timeline > 0),
  sealed_at timestamptz not null default clock_timestamp(),
  primary key (feed, number)
);

-- A feed's snapshot while it is taken: where it began and how its table was cut into parts, so that one that is cut off is
-- gone on with. `marks` tells whether the table or the publication was altered since.
create table hadrian.snapshot (
  feed        text     primary key check (feed <> ''),
  start_lsn   pg_lsn   not null,
  timeline    integer  not null check (timeline > 0),
  marks       text     not null,
  part_blocks integer  not null check (part_blocks > 0),
  blocks      bigint[] not null
);

-- A part that is whole, with the manifest of its rows.
create table hadrian.snapshot_part (
  feed     text    not null references hadrian.snapshot on delete cascade,
  number   integer not null check (number >= 0),
  manifest text    not null,
  sha256   bytea   not null check (octet_length(sha256) = 32),
  primary key (feed, number)
);
