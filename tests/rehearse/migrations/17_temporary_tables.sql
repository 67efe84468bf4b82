-- A temporary table to stage what comes in.
create table target (id int primary key, v text);
-- rehearsal: lost
create temporary table staging (id int, v text);
-- rehearsal: lost
copy staging from stdin with (delimiter ',');
1,one
2,two
2,zwei
\.
insert into target select distinct on (id) id, v from staging order by id, v;
-- rehearsal: lost
create temp table totals as select count(*) from target;
begin;
create temp table short_lived (x int) on commit drop;
insert into short_lived values (1);
commit;
-- rehearsal: lost
create temp sequence temp_seq;
