-- Two phases, both of them.
create table booking (id int primary key);
begin;
insert into booking values (1);
prepare transaction 'm49_first';
select count(*) from booking;
commit prepared 'm49_first';
begin;
insert into booking values (2);
prepare transaction 'm49_second';
rollback prepared 'm49_second';
