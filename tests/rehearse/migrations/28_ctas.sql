-- Tables made of queries.
create table source as select i as id, md5(i::text) as v from generate_series(1, 100) i;
select * into copied from source where id <= 10;
create table empty_like (like source including all);
create table if not exists source as select 1 as id;
-- rehearsal: lost
create unlogged table cached as select * from source;
-- rehearsal: lost
select * into unlogged also_cached from source;
with moved as (delete from copied where id > 5 returning *) insert into empty_like select * from moved;
