-- A faster disk. Its directory is the node's own.
-- rehearsal: not-rehearsed
create tablespace m37_fast location '/srv/fast/postgres';
create table hot (id int primary key, v text) tablespace m37_fast;
insert into hot values (1, 'warm');
create index on hot (v) tablespace m37_fast;
alter table hot set tablespace pg_default;
