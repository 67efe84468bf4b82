-- Tables below a table, one of them unlogged.
create table vehicle (id int, wheels int);
create table car (doors int) inherits (vehicle);
-- rehearsal: lost
create unlogged table bicycle (gears int) inherits (vehicle);
insert into car values (1, 4, 5);
-- rehearsal: lost
insert into bicycle values (2, 2, 21);
-- rehearsal: lost
update vehicle set wheels = wheels + 1;
alter table car no inherit vehicle;
