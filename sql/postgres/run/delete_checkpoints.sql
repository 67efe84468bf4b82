-- Deletes a run's checkpoints.
-- Parameters: run text.
-- Columns: artifact_id bigint, a row for each; delete the artifacts behind it, in the same transaction.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.checkpoint, select on its columns run and artifact_id.
delete from hadrian.checkpoint
where run = :run
returning artifact_id
