-- A consumer of changes.
create table outbox (id bigint generated always as identity primary key, body jsonb);
-- rehearsal: lost
select pg_create_logical_replication_slot('m33_outbox', 'pgoutput');
-- rehearsal: lost
select pg_create_physical_replication_slot('m33_standby');
create publication m33_outbox for table outbox;
insert into outbox (body) values ('{}');
alter publication m33_outbox set (publish = 'insert');
