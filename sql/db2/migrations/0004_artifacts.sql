-- Names for checkpoints.

-- A name for a checkpoint of a run, and a promise to keep it. Deleting the checkpoint deletes its names.
create table hadrian.checkpoint_tag (
  run        varchar(200) not null,
  tag        varchar(200) not null check (tag <> ''),
  step       integer      not null,
  created_at timestamp    not null default current timestamp,
  primary key (run, tag),
  foreign key (run, step) references hadrian.checkpoint on delete cascade
);

create index hadrian.checkpoint_tag_step on hadrian.checkpoint_tag (run, step);
