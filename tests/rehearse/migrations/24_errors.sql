-- Things go wrong in the middle, and the script goes on.
create table unit (id int primary key);
insert into unit values (1);
-- rehearsal: failed
insert into unit values (1);
insert into unit values (2);
-- rehearsal: failed
alter table unit add column id int;
begin;
insert into unit values (3);
-- rehearsal: failed
select 1 / 0;
-- rehearsal: failed
insert into unit values (4);
commit;
insert into unit values (5);
-- rehearsal: failed
drop table no_such_table;
