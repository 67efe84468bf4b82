-- Deletes a checkpoint and its tags; its artifact is deleted behind it, in the same transaction.
-- Parameters: artifact_id bigint.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.checkpoint, select on its column artifact_id.
delete from hadrian.checkpoint
where artifact_id = :artifact_id
