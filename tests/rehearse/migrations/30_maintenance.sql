-- What a nightly job does.
create table log (id int primary key, line text);
insert into log select i, 'line ' || i from generate_series(1, 300) i;
delete from log where id % 3 = 0;
vacuum log;
analyze log;
vacuum (full, analyze) log;
reindex table log;
cluster log using log_pkey;
alter table log set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create statistics log_stats (dependencies) on id, line from log;
analyze log;
checkpoint;
