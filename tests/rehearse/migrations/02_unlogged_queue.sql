-- A work queue that somebody wanted fast.
create table job_kind (id int primary key, name text not null);
insert into job_kind values (1, 'mail'), (2, 'report');
-- rehearsal: lost
create unlogged table job (
    id int primary key,
    kind int not null references job_kind,
    payload jsonb not null
);
-- rehearsal: lost
create index job_by_kind on job (kind);
-- rehearsal: lost
insert into job select i, 1 + i % 2, jsonb_build_object('n', i) from generate_series(1, 40) i;
-- rehearsal: lost
update job set payload = payload || '{"tried": true}' where id <= 10;
-- rehearsal: lost
delete from job where id = 40;
select count(*) from job;
