-- Makes an artifact exist; the pieces of its manifest follow in the same transaction.
-- Parameters: kind varchar; name varchar; manifest_bytes bigint; sha256 varchar for bit data, of the manifest; plain_bytes
-- bigint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.ARTIFACT.
insert into hadrian.artifact (kind, name, manifest_bytes, sha256, plain_bytes)
values (:kind, :name, :manifest_bytes, :sha256, :plain_bytes)
