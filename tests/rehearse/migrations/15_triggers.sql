-- History kept by a trigger.
create table doc (id int primary key, body text, changed timestamptz);
create table doc_history (like doc, at timestamptz default now());
create function remember() returns trigger language plpgsql as $$
begin
    insert into doc_history select old.*;
    new.changed := clock_timestamp();
    return new;
end
$$;
create trigger doc_history before update on doc for each row execute function remember();
insert into doc values (1, 'first'), (2, 'second');
update doc set body = body || '!';
alter table doc disable trigger doc_history;
update doc set body = 'quiet' where id = 2;
alter table doc enable always trigger doc_history;
