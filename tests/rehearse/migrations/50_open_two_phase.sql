-- A transaction that is still in doubt when the primary dies.
create table seat (id int primary key, taken bool default false);
insert into seat select from generate_series(1, 0);
insert into seat values (1), (2);
begin;
update seat set taken = true where id = 1;
prepare transaction 'm50_in_doubt';
select count(*) from seat where taken;
-- rehearsal: failed
truncate seat;
