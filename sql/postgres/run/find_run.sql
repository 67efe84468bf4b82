-- One run.
-- Parameters: name text.
-- Columns: feed text; recipe text.
-- Since: PostgreSQL 9.5. Privilege: select on hadrian.run.
select feed, recipe
from hadrian.run
where name = :name
