-- Every change of the schema is written down.
create table ddl_log (at timestamptz default now(), tag text);
create function log_ddl() returns event_trigger language plpgsql as $$
begin
    insert into ddl_log (tag) values (tg_tag);
end
$$;
create event trigger m42_log on ddl_command_end execute function log_ddl();
create table logged_one (id int);
alter table logged_one add column v text;
drop event trigger m42_log;
