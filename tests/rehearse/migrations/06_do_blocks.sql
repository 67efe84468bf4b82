-- Work that a loop does.
create table counter (name text primary key, n bigint not null default 0);
do $$
begin
    for i in 1..20 loop
        insert into counter values ('c' || i, i);
    end loop;
end
$$;
do $body$
declare
    r record;
begin
    for r in select name from counter where n % 2 = 0 loop
        execute format('create table %I (id int)', 't_' || r.name);
    end loop;
end
$body$;
do language plpgsql $$ begin perform 1; end $$;
