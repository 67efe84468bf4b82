-- A run's checkpoints with what speaks for keeping them, newest first.
-- Parameters: run text.
-- Columns: step integer; artifact_id bigint; plain_bytes bigint; created_at timestamptz; loss double precision, of the
--   checkpoint's step, or NULL; tag text, or NULL; a row for each tag.
-- Since: PostgreSQL 10. Privilege: select on hadrian.checkpoint, hadrian.artifact, hadrian.step, hadrian.checkpoint_tag.
select c.step, c.artifact_id, a.plain_bytes, a.created_at, s.loss, t.tag
from hadrian.checkpoint as c
join hadrian.artifact as a on a.id = c.artifact_id
left join hadrian.step as s on s.run = c.run and s.step = c.step
left join hadrian.checkpoint_tag as t on t.run = c.run and t.step = c.step
where c.run = :run
order by c.step desc, t.tag
