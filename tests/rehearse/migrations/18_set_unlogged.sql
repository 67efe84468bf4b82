-- Logging taken from a table that had it.
create table session (id uuid primary key default gen_random_uuid(), seen timestamptz default now());
insert into session default values;
insert into session default values;
-- rehearsal: lost
alter table session set unlogged;
-- rehearsal: lost
insert into session default values;
