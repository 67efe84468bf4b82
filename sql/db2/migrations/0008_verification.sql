-- What a watch of a pair has seen: each comparison of the two nodes, and when each object was last found the same.

-- A comparison, from its beginning to its end or to what ended it. `findings` is JSON: the first of those that differ or are open.
create table hadrian.verification (
  number       bigint         not null generated always as identity primary key,
  primary_node varchar(400)   not null,
  standby_node varchar(400)   not null,
  mode         varchar(20)    not null,
  took_s       double         not null check (took_s >= 0),
  compared     integer        not null check (compared >= 0),
  read_bytes   bigint         not null check (read_bytes >= 0),
  different    integer        not null check (different >= 0),
  unsettled    integer        not null check (unsettled >= 0),
  unseen       integer        not null check (unseen >= 0),
  problem      varchar(2000)  not null,  -- what ended it early, else nothing
  findings     varchar(16000) not null,
  recorded_at  timestamp      not null default current timestamp
) in hadrian_32k;

create index hadrian.verification_recorded_at on hadrian.verification (recorded_at);

-- An object as it was last found the same on a standby. `lsn` is a position that both nodes had then; none where no log brings it.
create table hadrian.verified (
  standby_node varchar(400) not null,
  what         varchar(20)  not null,
  object       varchar(400) not null,
  lsn          bigint,
  items        bigint       not null check (items >= 0),
  verified_at  timestamp    not null,  -- in UTC
  primary key (standby_node, what, object)
) in hadrian_32k;
