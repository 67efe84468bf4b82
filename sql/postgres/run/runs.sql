-- Every run, and which of its steps do not tell their rows.
-- Parameters: run text, or NULL for every run.
-- Columns: run text; feed text, NULL if its checkpoints were saved from files; untold bigint, how many steps have no digests; first_untold integer;
--   last_untold integer.
-- Since: PostgreSQL 10. Privilege: select on hadrian.run, hadrian.step.
select
  r.name as run, r.feed, count(s.step) as untold, min(s.step) as first_untold, max(s.step) as last_untold
from hadrian.run as r
left join hadrian.step as s on s.run = r.name and s.key_digests is null
where r.name = coalesce(cast(:run as text), r.name)
group by r.name
order by r.name
