-- What each feed reads now: the tables of its publication, or the table of its journal, if that still has its name.
-- Parameters: feed text, or NULL for every feed.
-- Columns: feed text; schema text; name text. A feed whose publication or table is gone has no row.
-- Since: PostgreSQL 10. Privilege: select on hadrian.feed, hadrian.journal.
select f.name as feed, p.schemaname::text as schema, p.tablename::text as name
from hadrian.feed as f
join pg_publication_tables as p on p.pubname = f.publication
where f.source = 'wal' and f.name = coalesce(cast(:feed as text), f.name)
union all
select j.feed, j.schema_name, j.table_name
from hadrian.journal as j
join pg_namespace as n on n.nspname = j.schema_name
join pg_class as c on c.relnamespace = n.oid and c.relname = j.table_name
where j.feed = coalesce(cast(:feed as text), j.feed)
order by feed, schema, name
