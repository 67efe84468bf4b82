-- Takes in a piece of a chunk's body.
-- Parameters: sha256 varchar for bit data; number integer, from 1; body varchar for bit data.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.CHUNK_PIECE.
insert into hadrian.chunk_piece (sha256, number, body) values (:sha256, :number, :body)
