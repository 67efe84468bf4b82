\set ON_ERROR_STOP on
create table first_table (id int);
-- rehearsal: failed
insert into missing_table values (1);
-- rehearsal: not-rehearsed
insert into first_table values (1);
