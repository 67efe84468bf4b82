-- What seals a chunk's body, and how much the store may hold.

-- A key that chunks are sealed with, by its id. The key itself is in a file of those who write and read, and never here.
create table hadrian.chunk_key (
  id         varchar(16) not null primary key check (length(id) = 16),
  created_at timestamp   not null default current timestamp
);

-- The key that opens the body; NULL if it is not sealed.
alter table hadrian.chunk
  add column key_id varchar(16) references hadrian.chunk_key;

create index hadrian.chunk_key_id on hadrian.chunk (key_id);

-- The length of the body: to add up its pieces means to read all of them.
alter table hadrian.chunk
  add column stored_bytes integer not null default 0;

update hadrian.chunk
set stored_bytes = coalesce(
  (select sum(length(p.body)) from hadrian.chunk_piece as p where p.sha256 = hadrian.chunk.sha256), 0
);

-- How many bytes, as they are stored, the checkpoints of a run may take, or the whole store: its row has an empty name.
create table hadrian.quota (
  run           varchar(200) not null primary key,
  allowed_bytes bigint       not null check (allowed_bytes >= 0),
  set_at        timestamp    not null default current timestamp
);
