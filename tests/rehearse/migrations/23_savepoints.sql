-- A part taken back.
create table step (n int primary key);
begin;
insert into step values (1);
savepoint one;
insert into step values (2);
rollback to savepoint one;
insert into step values (3);
savepoint two;
insert into step values (4);
release savepoint two;
commit;
select array_agg(n order by n) from step;
