-- Takes a tag from a checkpoint.
-- Parameters: run text; step integer; tag text.
-- Columns: none; no row was deleted if the checkpoint does not have it.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.checkpoint_tag, select on its columns.
delete from hadrian.checkpoint_tag
where run = :run and step = :step and tag = :tag
