-- Hadrian's schema, its record of migrations, and the store: artifacts made of content-addressed chunks.
-- Every table is an ordinary logged table, and every column is logged: HADR replays all of it.
--
-- Before this, whoever has SYSCTRL makes a table space with pages of 32 kB, for rows that no smaller page can hold:
--
--   create bufferpool hadrian_32k pagesize 32k
--   create tablespace hadrian_32k pagesize 32k bufferpool hadrian_32k
--
-- Both are replayed by HADR. They must be committed before they can be used, so they are not part of this transaction.
create schema hadrian;

create table hadrian.migration (
  number     integer       not null primary key check (number > 0),
  name       varchar(200)  not null,
  sha256     varchar(32) for bit data not null check (length(sha256) = 32),
  applied_at timestamp     not null default current timestamp
);

-- One chunk of an artifact, stored once however many artifacts hold it. The body is compressed plain bytes (0 zstd, 1 byte planes
-- and zstd) or their difference (2) from the plain bytes of another chunk, the base; `depth` counts the chunks that must be read
-- before this one. A base cannot be deleted as long as a difference from it is there. `created_at` is the grace period's: a
-- chunk is stored before the artifact that holds it exists.
create table hadrian.chunk (
  sha256      varchar(32) for bit data not null primary key check (length(sha256) = 32),
  plain_bytes integer   not null check (plain_bytes > 0),
  coding      smallint  not null default 0 check (coding between 0 and 2),
  base        varchar(32) for bit data references hadrian.chunk,
  depth       smallint  not null default 0 check (depth between 0 and 16),
  created_at  timestamp not null default current timestamp,
  constraint difference_has_base check (
    (coding = 2 and base is not null and depth > 0) or (coding < 2 and base is null and depth = 0)
  )
);

create index hadrian.chunk_base on hadrian.chunk (base);

-- The chunk's body, cut into pieces that lie in their rows, where alone a standby can read them: of a LOB it returns what is
-- inlined, and nothing of a row that extends beyond its page. The longest row of a page of 32 kB has 32677 bytes.
create table hadrian.chunk_piece (
  sha256 varchar(32) for bit data not null references hadrian.chunk on delete cascade,
  number integer not null check (number > 0),
  body   varchar(32000) for bit data not null,
  primary key (sha256, number)
) in hadrian_32k;

-- An artifact exists once its row does: the row is written last, in one transaction with what gives it meaning.
create table hadrian.artifact (
  id             bigint       not null generated always as identity primary key,
  kind           varchar(100) not null check (kind <> ''),
  name           varchar(400) not null check (name <> ''),
  manifest_bytes bigint       not null check (manifest_bytes >= 0),
  sha256         varchar(32) for bit data not null check (length(sha256) = 32),
  plain_bytes    bigint       not null check (plain_bytes >= 0),
  created_at     timestamp    not null default current timestamp,
  unique (kind, name)
);

-- The artifact's manifest in UTF-8, cut like a body. A reader on a standby sees rows before they are committed, one by one:
-- `manifest_bytes` tells it whether it has them all.
create table hadrian.manifest_piece (
  artifact_id bigint  not null references hadrian.artifact on delete cascade,
  number      integer not null check (number > 0),
  body        varchar(32000) for bit data not null,
  primary key (artifact_id, number)
) in hadrian_32k;

-- Which chunks an artifact holds: a chunk in use cannot be deleted.
create table hadrian.artifact_chunk (
  artifact_id bigint not null references hadrian.artifact on delete cascade,
  sha256      varchar(32) for bit data not null references hadrian.chunk,
  primary key (artifact_id, sha256)
);

create index hadrian.artifact_chunk_sha256 on hadrian.artifact_chunk (sha256);
