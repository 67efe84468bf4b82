-- Every run, what its feed reads now, and which of its steps do not tell their rows.
-- Parameters: run text, or NULL for every run.
-- Columns: run text; tables text[], schema and name of each, none if the publication is gone; untold bigint, how many
--   steps have no digests; first_untold integer; last_untold integer.
-- Since: PostgreSQL 10. Privilege: select on hadrian.run, hadrian.feed, hadrian.step.
select
  r.name as run,
  coalesce((
    select array_agg(array[p.schemaname::text, p.tablename::text] order by p.schemaname, p.tablename)
    from pg_publication_tables as p
    where p.pubname = f.publication
  ), '{}') as tables,
  s.untold, s.first_untold, s.last_untold
from hadrian.run as r
join hadrian.feed as f on f.name = r.feed
cross join lateral (
  select count(*) as untold, min(step) as first_untold, max(step) as last_untold
  from hadrian.step
  where run = r.name and key_digests is null
) as s
where r.name = coalesce(cast(:run as text), r.name)
order by r.name
