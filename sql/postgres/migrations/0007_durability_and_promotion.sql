-- Where a checkpoint's commit lies in the log, and which checkpoints the names that serving pulls by were moved to.

-- A position behind the transaction that made the checkpoint exist: a standby that has replayed it has the checkpoint. It is
-- written once that has committed, so it is NULL where its writer ended in between.
alter table hadrian.checkpoint add column committed_lsn pg_lsn;

-- Each move of a tag by promotion or rollback, in the order of their numbers; the checkpoints may be gone. The newest of a run's
-- tag is in force as long as the tag is where it put it. `back_to` is the move that a rollback takes it back to.
create table hadrian.promotion (
  number      bigint      generated always as identity primary key,
  run         text        not null references hadrian.run on delete cascade,
  tag         text        not null check (tag <> ''),
  step        integer     not null check (step >= 0),
  from_step   integer     check (from_step >= 0),
  back_to     bigint      references hadrian.promotion,
  promoted_by text        not null default session_user,
  promoted_at timestamptz not null default clock_timestamp()
);

create index promotion_tag on hadrian.promotion (run, tag, number);
