-- What a watch of a pair has seen: each comparison of the two nodes, and when each object was last found the same.

-- A comparison, from its beginning to its end or to what ended it. `findings` is JSON: the first of those that differ or are open.
create table hadrian.verification (
  number       bigint           generated always as identity primary key,
  primary_node text             not null,
  standby_node text             not null,
  mode         text             not null,
  took_s       double precision not null check (took_s >= 0),
  compared     integer          not null check (compared >= 0),
  read_bytes   bigint           not null check (read_bytes >= 0),
  different    integer          not null check (different >= 0),
  unsettled    integer          not null check (unsettled >= 0),
  unseen       integer          not null check (unseen >= 0),
  problem      text             not null,  -- what ended it early, else nothing
  findings     text             not null,
  recorded_at  timestamptz      not null default clock_timestamp()
);

create index verification_recorded_at on hadrian.verification (recorded_at);

-- An object as it was last found the same on a standby. `lsn` is a position that both nodes had then; none where no log brings it.
create table hadrian.verified (
  standby_node text        not null,
  what         text        not null,
  object       text        not null,
  lsn          pg_lsn,
  items        bigint      not null check (items >= 0),
  verified_at  timestamptz not null,
  primary key (standby_node, what, object)
);
