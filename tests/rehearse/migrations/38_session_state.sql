-- Nothing here is kept by anybody.
set search_path = public;
set local work_mem = '1MB';
prepare q (int) as select $1 + 1;
execute q (1);
deallocate q;
begin;
declare c cursor for select generate_series(1, 10);
fetch 3 from c;
close c;
commit;
reset all;
discard plans;
explain select 1;
show server_version;
values (1), (2);
table pg_am;
select set_config('application_name', 'migration', false);
