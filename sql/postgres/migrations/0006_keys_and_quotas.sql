-- What seals a chunk's body, and how much the store may hold.

-- A key that chunks are sealed with, by its id. The key itself is in a file of those who write and read, and never here.
create table hadrian.chunk_key (
  id         text        primary key check (id ~ '^[0-9a-f]{16}$'),
  created_at timestamptz not null default clock_timestamp()
);

-- The key that opens the body; NULL if it is not sealed.
alter table hadrian.chunk add column key_id text references hadrian.chunk_key;

create index chunk_key_id on hadrian.chunk (key_id) where key_id is not null;

-- How many bytes, as they are stored, the checkpoints of a run may take, or the whole store: its row has an empty name.
create table hadrian.quota (
  run           text        primary key,
  allowed_bytes bigint      not null check (allowed_bytes >= 0),
  set_at        timestamptz not null default clock_timestamp()
);
