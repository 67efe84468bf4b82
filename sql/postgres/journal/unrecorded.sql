-- Feeds whose journal is there while they are not: one is being created, or its creation was killed.
-- Parameters: none.
-- Columns: feed text.
-- Since: PostgreSQL 11. Privilege: select on hadrian.feed.
select substr(c.relname, length('journal_') + 1)::text as feed
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'hadrian'
  and c.relkind = 'r'
  and starts_with(c.relname, 'journal_')
  and not exists (select from hadrian.feed as f where f.name = substr(c.relname, length('journal_') + 1))
order by feed
