-- One artifact's manifest.
-- Parameters: artifact_id bigint.
-- Columns: kind text; name text; manifest text; sha256 bytea, of the manifest.
-- Since: PostgreSQL 10. Privilege: select on hadrian.artifact.
select kind, name, manifest, sha256
from hadrian.artifact
where id = :artifact_id
