-- What chunks are made of, and names for checkpoints.

-- A body may be stored as the difference from another chunk's plain bytes, its base. `depth` counts the chunks that must be
-- read before this one; a base cannot be deleted as long as a difference from it is there. `created_at` is the grace
-- period's: a chunk is stored before the artifact that holds it exists.
alter table hadrian.chunk
  add column coding     smallint not null default 0
  add column base       varchar(32) for bit data
  add column depth      smallint not null default 0
  add column created_at timestamp not null default current timestamp
  add constraint chunk_base foreign key (base) references hadrian.chunk
  add constraint difference_has_base check ((coding = 2 and base is not null and depth > 0) or (coding < 2 and base is null and depth = 0));

create index hadrian.chunk_base_index on hadrian.chunk (base);

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
