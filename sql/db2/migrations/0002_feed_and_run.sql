-- Feeds, training runs, their checkpoints and the step journal.
-- A log position is a BIGINT here: Db2 prints LSNs and LRIs as hexadecimal text that does not compare as a number.

-- A feed: the rows of one journal table, in commit order, after one snapshot.
create table hadrian.feed (
  name         varchar(200) not null primary key check (name <> ''),
  publication  varchar(200) not null,
  slot         varchar(200) not null,
  start_lsn    bigint       not null,
  timeline     integer      not null check (timeline > 0),
  snapshot_id  bigint       not null references hadrian.artifact,
  created_at   timestamp    not null default current timestamp
);

create table hadrian.run (
  name       varchar(200) not null primary key check (name <> ''),
  feed       varchar(200) references hadrian.feed,  -- none if its checkpoints are saved from files
  recipe     varchar(16000) not null,
  started_at timestamp    not null default current timestamp
) in hadrian_32k;

-- A checkpoint: an artifact and the cursor it was trained up to. Never the one without the other.
create table hadrian.checkpoint (
  run         varchar(200) not null references hadrian.run,
  step        integer not null check (step >= 0),
  artifact_id bigint  not null unique references hadrian.artifact,
  timeline    integer not null check (timeline > 0),
  cursor_lsn  bigint  not null,
  cursor_seq  bigint  not null check (cursor_seq >= 0),
  primary key (run, step)
);

-- The step journal: what each optimizer step consumed and the exact bits it gave. A binary64 holds every
-- binary32 exactly, so the columns can be read by a person and still be compared bit by bit.
create table hadrian.step (
  run         varchar(200) not null references hadrian.run,
  step        integer   not null check (step > 0),
  timeline    integer   not null check (timeline > 0),
  before_lsn  bigint    not null,
  before_seq  bigint    not null check (before_seq >= 0),
  after_lsn   bigint    not null,
  after_seq   bigint    not null check (after_seq >= 0),
  row_count   integer   not null check (row_count > 0),
  rows_sha256 varchar(32) for bit data not null check (length(rows_sha256) = 32),
  loss        double    not null,
  grad_norm   double    not null,
  recorded_at timestamp not null default current timestamp,
  primary key (run, step),
  constraint cursor_moves_forward check (
    after_lsn > before_lsn or (after_lsn = before_lsn and after_seq > before_seq)
  )
) in hadrian_32k;
