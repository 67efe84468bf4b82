-- Deletes an artifact and its list of chunks; the chunks stay.
-- Parameters: artifact_id bigint.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.artifact, select on its column id.
delete from hadrian.artifact
where id = :artifact_id
