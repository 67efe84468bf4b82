-- Records that an artifact holds a chunk; fails if it is not there.
-- Parameters: artifact_id bigint; sha256 varchar for bit data.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.ARTIFACT_CHUNK.
insert into hadrian.artifact_chunk (artifact_id, sha256) values (:artifact_id, :sha256)
