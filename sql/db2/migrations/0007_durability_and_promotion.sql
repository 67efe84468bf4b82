-- Where a checkpoint's commit lies in the log, and which checkpoints the names that serving pulls by were moved to.

-- A position behind the transaction that made the checkpoint exist: a standby that has replayed it has the checkpoint. It is
-- written once that has committed, so it is NULL where its writer ended in between.
alter table hadrian.checkpoint
  add column committed_lsn bigint;

-- Each move of a tag by promotion or rollback, in the order of their numbers; the checkpoints may be gone. The newest of a run's
-- tag is in force as long as the tag is where it put it. `back_to` is the move that a rollback takes it back to.
create table hadrian.promotion (
  number      bigint       not null generated always as identity primary key,
  run         varchar(200) not null references hadrian.run on delete cascade,
  tag         varchar(200) not null check (tag <> ''),
  step        integer      not null check (step >= 0),
  from_step   integer      check (from_step >= 0),
  back_to     bigint,
  promoted_by varchar(128) not null default session_user,
  promoted_at timestamp    not null default current timestamp
);

create index hadrian.promotion_tag on hadrian.promotion (run, tag, number);
