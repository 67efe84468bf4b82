-- Away with it.
create schema doomed;
create table doomed.a (id serial primary key);
create table doomed.b (a int references doomed.a);
insert into doomed.a default values;
insert into doomed.b select id from doomed.a;
drop table doomed.b;
drop schema doomed cascade;
drop table if exists never_there;
