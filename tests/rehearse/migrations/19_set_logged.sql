-- A bulk load without logging, logged afterwards.
create unlogged table bulk (id int, v text);
insert into bulk select i, repeat('x', 100) from generate_series(1, 500) i;
alter table bulk set logged;
create index bulk_by_id on bulk (id);
insert into bulk values (501, 'y');
