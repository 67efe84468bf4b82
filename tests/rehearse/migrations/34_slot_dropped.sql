-- A slot that comes and goes.
select pg_create_physical_replication_slot('m34_brief');
select pg_drop_replication_slot('m34_brief');
select count(*) from pg_replication_slots;
