-- One statement is no SQL at all.
create table before_it (id int);
-- rehearsal: failed
crate table misspelt (id int);
create table after_it (id int);
insert into after_it values (1);
