-- Hadrian's schema, its record of migrations, and the store: artifacts made of content-addressed chunks.
-- Every table is an ordinary logged table: whatever replicates the database replicates it.
create schema if not exists hadrian;

comment on schema hadrian is 'Hadrian: feeds, checkpoints and the step journal';

create table hadrian.migration (
  number     integer     primary key check (number > 0),
  name       text        not null,
  sha256     bytea       not null check (octet_length(sha256) = 32),
  applied_at timestamptz not null default now()
);

-- One piece of an artifact, stored once however many artifacts hold it. The name is the digest of the plain
-- bytes; the body is compressed. Written once and never modified.
create table hadrian.chunk (
  sha256      bytea   primary key check (octet_length(sha256) = 32),
  plain_bytes integer not null check (plain_bytes > 0),
  body        bytea   not null check (octet_length(body) > 0)
);

-- The body is compressed already: tell TOAST not to try again.
alter table hadrian.chunk alter column body set storage external;

-- An artifact exists once its row does: the row is written last, in one transaction with what gives it meaning.
create table hadrian.artifact (
  id          bigint      generated always as identity primary key,
  kind        text        not null check (kind <> ''),
  name        text        not null check (name <> ''),
  manifest    text        not null,
  sha256      bytea       not null check (octet_length(sha256) = 32),
  plain_bytes bigint      not null check (plain_bytes >= 0),
  created_at  timestamptz not null default clock_timestamp(),
  unique (kind, name)
);

-- Which chunks an artifact holds: a chunk in use cannot be deleted.
create table hadrian.artifact_chunk (
  artifact_id bigint not null references hadrian.artifact on delete cascade,
  sha256      bytea  not null references hadrian.chunk,
  primary key (artifact_id, sha256)
);

create index artifact_chunk_sha256 on hadrian.artifact_chunk (sha256);
