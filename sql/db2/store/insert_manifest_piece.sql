-- Takes in a piece of an artifact's manifest.
-- Parameters: artifact_id bigint; number integer, from 1; body varchar for bit data, UTF-8.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.MANIFEST_PIECE.
insert into hadrian.manifest_piece (artifact_id, number, body) values (:artifact_id, :number, :body)
