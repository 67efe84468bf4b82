-- Makes a run exist, once.
-- Parameters: name text; feed text; recipe text.
-- Columns: none.
-- Since: PostgreSQL 9.5. Privilege: insert on hadrian.run.
insert into hadrian.run (name, feed, recipe)
values (:name, :feed, :recipe)
on conflict (name) do nothing
