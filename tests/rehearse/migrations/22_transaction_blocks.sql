-- All or nothing, twice.
begin;
create table pay (id int primary key, amount numeric);
insert into pay values (1, 10), (2, 20);
commit;
begin;
insert into pay values (3, 30);
alter table pay add column note text;
rollback;
start transaction isolation level serializable;
select sum(amount) from pay;
update pay set amount = amount + 1;
end;
begin;
set transaction isolation level repeatable read, read only;
select count(*) from pay;
commit;
