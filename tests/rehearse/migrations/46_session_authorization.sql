-- Half of it runs as somebody else.
create role r46_app;
create schema app authorization r46_app;
set session authorization r46_app;
create table app.mine (id int primary key);
insert into app.mine values (1);
-- rehearsal: failed
create table public.not_allowed (id int);
reset session authorization;
set role r46_app;
begin;
insert into app.mine values (2);
savepoint s;
delete from app.mine;
rollback to s;
commit;
reset role;
