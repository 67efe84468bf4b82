-- One migration at a time.
-- rehearsal: lost
select pg_advisory_lock(35);
create table guarded (id int);
begin;
select pg_advisory_xact_lock(36);
insert into guarded values (1);
commit;
select pg_try_advisory_lock(37);
select pg_advisory_unlock(37);
