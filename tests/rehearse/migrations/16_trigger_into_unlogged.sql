-- A cache that a trigger fills: the insert looks harmless.
create table article (id int primary key, title text);
-- rehearsal: lost
create unlogged table article_cache (id int primary key, rendered text);
create function cache_article() returns trigger language plpgsql as $$
begin
    insert into article_cache values (new.id, '<h1>' || new.title || '</h1>');
    return new;
end
$$;
create trigger cache_article after insert on article for each row execute function cache_article();
-- rehearsal: lost
insert into article values (1, 'Hello');
