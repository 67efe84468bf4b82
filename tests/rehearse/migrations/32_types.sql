-- Types of our own.
create type mood as enum ('sad', 'ok', 'happy');
create domain email as text check (value ~ '@');
create type address as (street text, zip text);
create type span as range (subtype = float8);
create table person (id int, m mood, e email, a address, s span);
insert into person values (1, 'ok', 'a@b', row ('road', '1010'), '[1,2)');
alter type mood add value 'ecstatic' after 'happy';
insert into person (id, m) values (2, 'ecstatic');
alter domain email add constraint short check (length(value) < 100);
create cast (mood as int) with inout;
create operator === (leftarg = int, rightarg = int, function = int4eq);
create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
select total(id) from person;
