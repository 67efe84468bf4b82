-- What feeds have beside their record, and what a checkpoint says of the log behind it.

-- Up to where the log holds nothing for the feed behind the checkpoint's cursor.
alter table hadrian.checkpoint
  add column passed_lsn bigint;

alter table hadrian.checkpoint
  add column passed_timeline integer;

-- Which rows a step was trained on, once the log is gone: eight bytes of each row's key, in order. Steps that were
-- recorded before this column have none. They lie in the row, where a standby can read them, so a step has at most 4000 rows here.
alter table hadrian.step
  add column key_digests varchar(32000) for bit data;

-- Where a feed's changes come from: here always a journal that triggers fill.
alter table hadrian.feed
  add column source varchar(10) not null default 'journal' check (source = 'journal');

-- A feed's journal: its entries are in a table of its own, HADRIAN."journal_<feed>", which has the columns of the table that
-- is fed. What is sealed in batches up to `confirmed` is consumed for good and may be deleted.
create table hadrian.journal (
  feed        varchar(200) not null primary key references hadrian.feed on delete cascade,
  schema_name varchar(128) not null,
  table_name  varchar(128) not null,
  confirmed   bigint       not null check (confirmed >= 0)
);

-- A batch of entries that is whole: the row comes in a transaction of its own, behind the one that filled the batch. A
-- takeover shows in the host that seals, and begins the next timeline.
create table hadrian.seal (
  feed      varchar(200) not null references hadrian.journal on delete cascade,
  number    bigint       not null check (number > 0),
  row_count bigint       not null check (row_count >= 0),
  timeline  integer      not null check (timeline > 0),
  host      varchar(255) not null,
  sealed_at timestamp    not null default current timestamp,
  primary key (feed, number)
);

-- Empty for whoever sees committed rows only: who creates a feed holds its name here in a transaction that is never committed.
create table hadrian.creation (
  feed varchar(200) not null primary key
);
