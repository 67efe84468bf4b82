-- The moves of a run's promoted tags, newest first.
-- Parameters: run text.
-- Columns: number bigint; tag text; step integer; from_step integer, where the tag was, or NULL; back_to bigint, the move that a
--   rollback takes it back to, or NULL; back_step integer, of that; promoted_by text; promoted_at timestamptz; in_force
--   boolean, whether the tag is where the move put it and no other came behind it.
-- Since: PostgreSQL 10. Privilege: select on hadrian.promotion, hadrian.checkpoint_tag.
select
  p.number, p.tag, p.step, p.from_step, p.back_to, back.step as back_step, p.promoted_by, p.promoted_at,
  t.step is not distinct from p.step
    and not exists (select from hadrian.promotion as l where l.run = p.run and l.tag = p.tag and l.number > p.number)
    as in_force
from hadrian.promotion as p
left join hadrian.promotion as back on back.number = p.back_to
left join hadrian.checkpoint_tag as t on t.run = p.run and t.tag = p.tag
where p.run = :run
order by p.number desc
