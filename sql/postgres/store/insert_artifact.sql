-- Makes an artifact exist.
-- Parameters: kind text; name text; manifest text, canonical JSON; sha256 bytea, of the manifest; plain_bytes bigint.
-- Columns: id bigint.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.artifact.
insert into hadrian.artifact (kind, name, manifest, sha256, plain_bytes)
values (:kind, :name, :manifest, :sha256, :plain_bytes)
returning id
