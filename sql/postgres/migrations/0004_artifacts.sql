-- What chunks are made of, and names for checkpoints.

-- A body may be stored as the difference from another chunk's plain bytes, its base. `depth` counts the chunks that must be
-- read before this one; a base cannot be deleted as long as a difference from it is there. `created_at` is the grace
-- period's: a chunk is stored before the artifact that holds it exists.
alter table hadrian.chunk
  add column coding     smallint    not null default 0 check (coding between 0 and 2),
  add column base       bytea       references hadrian.chunk,
  add column depth      smallint    not null default 0 check (depth between 0 and 16),
  add column created_at timestamptz not null default now(),
  add constraint difference_has_base check ((coding = 2) = (base is not null) and (base is null) = (depth = 0));

create index chunk_base on hadrian.chunk (base) where base is not null;

-- A name for a checkpoint of a run, and a promise to keep it. Deleting the checkpoint deletes its names.
create table hadrian.checkpoint_tag (
  run        text        not null,
  tag        text        not null check (tag <> ''),
  step       integer     not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (run, tag),
  foreign key (run, step) references hadrian.checkpoint on delete cascade
);

create index checkpoint_tag_step on hadrian.checkpoint_tag (run, step);
