-- Feeds, training runs, their checkpoints and the step journal.

-- A feed: the rows of one publication from one slot, in commit order, after one snapshot.
create table hadrian.feed (
  name         text        primary key check (name <> ''),
  publication  text        not null,
  slot         text        not null,
  start_lsn    pg_lsn      not null,
  timeline     integer     not null check (timeline > 0),
  snapshot_id  bigint      not null references hadrian.artifact,
  created_at   timestamptz not null default clock_timestamp()
);

create table hadrian.run (
  name       text        primary key check (name <> ''),
  feed       text        references hadrian.feed,  -- none if its checkpoints are saved from files
  recipe     text        not null,
  started_at timestamptz not null default clock_timestamp()
);

-- A checkpoint: an artifact and the cursor it was trained up to. Never the one without the other.
create table hadrian.checkpoint (
  run         text    not null references hadrian.run,
  step        integer not null check (step >= 0),
  artifact_id bigint  not null unique references hadrian.artifact,
  timeline    integer not null check (timeline > 0),
  cursor_lsn  pg_lsn  not null,
  cursor_seq  bigint  not null check (cursor_seq >= 0),
  primary key (run, step)
);

-- The step journal: what each optimizer step consumed and the exact bits it gave. A binary64 holds every
-- binary32 exactly, so the columns can be read by a person and still be compared bit by bit.
create table hadrian.step (
  run         text             not null references hadrian.run,
  step        integer          not null check (step > 0),
  timeline    integer          not null check (timeline > 0),
  before_lsn  pg_lsn           not null,
  before_seq  bigint           not null check (before_seq >= 0),
  after_lsn   pg_lsn           not null,
  after_seq   bigint           not null check (after_seq >= 0),
  row_count   integer          not null check (row_count > 0),
  rows_sha256 bytea            not null check (octet_length(rows_sha256) = 32),
  loss        double precision not null,
  grad_norm   double precision not null,
  recorded_at timestamptz      not null default clock_timestamp(),
  primary key (run, step),
  constraint cursor_moves_forward check ((after_lsn, after_seq) > (before_lsn, before_seq))
);
