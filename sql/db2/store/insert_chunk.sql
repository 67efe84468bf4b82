-- Takes in a chunk, before its pieces; fails if it is there.
-- Parameters: sha256 varchar for bit data; plain_bytes integer; coding smallint; base varchar for bit data or NULL; depth smallint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.CHUNK.
insert into hadrian.chunk (sha256, plain_bytes, coding, base, depth) values (:sha256, :plain_bytes, :coding, :base, :depth)
