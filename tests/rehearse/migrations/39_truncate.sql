-- Everything once more from the start.
create table parent (id int generated always as identity primary key);
create table child (parent int references parent);
insert into parent select from generate_series(1, 20);
insert into child select id from parent;
truncate child;
truncate parent, child restart identity cascade;
insert into parent default values;
begin;
truncate parent cascade;
rollback;
