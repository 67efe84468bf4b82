-- A run's checkpoints with what speaks for keeping them, newest first.
-- Parameters: run text.
-- Columns: step integer; artifact_id bigint; plain_bytes bigint; created_at timestamptz; loss double precision, of the
--   checkpoint's step, or NULL; tag text, or NULL; a row for each tag; rolls_back boolean, whether the tag is not on the
--   checkpoint, but would be by a rollback.
-- Since: PostgreSQL 10. Privilege: select on hadrian.checkpoint, hadrian.artifact, hadrian.step, hadrian.checkpoint_tag,
--   hadrian.promotion.
select c.step, c.artifact_id, a.plain_bytes, a.created_at, s.loss, t.tag, t.rolls_back
from hadrian.checkpoint as c
join hadrian.artifact as a on a.id = c.artifact_id
left join hadrian.step as s on s.run = c.run and s.step = c.step
left join (
  select run, step, tag, false as rolls_back
  from hadrian.checkpoint_tag
  union all
  select at.run, case when last.step = at.step then back.step else last.step end, at.tag, true
  from hadrian.checkpoint_tag as at
  join lateral (
    select p.step, p.back_to
    from hadrian.promotion as p
    where p.run = at.run and p.tag = at.tag
    order by p.number desc
    limit 1
  ) as last on true
  left join hadrian.promotion as back on back.number = last.back_to
) as t on t.run = c.run and t.step = c.step
where c.run = :run
order by c.step desc, t.tag
