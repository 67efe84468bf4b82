-- Hadrian's schema, its record of migrations, and the store: artifacts made of content-addressed chunks.
-- Every table is an ordinary logged table, and every column is logged: HADR replays all of it.
create schema hadrian;

create table hadrian.migration (
  number     integer       not null primary key check (number > 0),
  name       varchar(200)  not null,
  sha256     varchar(32) for bit data not null check (length(sha256) = 32),
  applied_at timestamp     not null default current timestamp
);

-- One piece of an artifact, stored once however many artifacts hold it. The body is LOGGED (a NOT LOGGED LOB
-- arrives on the standby as binary zeros) and INLINE, so that a standby that allows reads can return the small ones.
create table hadrian.chunk (
  sha256      varchar(32) for bit data not null primary key check (length(sha256) = 32),
  plain_bytes integer not null check (plain_bytes > 0),
  body        blob(2m) logged not compact inline length 16000 not null
);

-- An artifact exists once its row does: the row is written last, in one transaction with what gives it meaning.
create table hadrian.artifact (
  id          bigint       not null generated always as identity primary key,
  kind        varchar(100) not null check (kind <> ''),
  name        varchar(400) not null check (name <> ''),
  manifest    clob(64m) logged not null,
  sha256      varchar(32) for bit data not null check (length(sha256) = 32),
  plain_bytes bigint       not null check (plain_bytes >= 0),
  created_at  timestamp    not null default current timestamp,
  unique (kind, name)
);

-- Which chunks an artifact holds: a chunk in use cannot be deleted.
create table hadrian.artifact_chunk (
  artifact_id bigint not null references hadrian.artifact on delete cascade,
  sha256      varchar(32) for bit data not null references hadrian.chunk,
  primary key (artifact_id, sha256)
);

create index hadrian.artifact_chunk_sha256 on hadrian.artifact_chunk (sha256);
