-- Takes in a chunk, before its pieces; fails if it is there.
-- Parameters: sha256 varchar for bit data; plain_bytes integer; stored_bytes integer, of all its pieces; coding smallint; base
-- varchar for bit data or NULL; depth smallint; key_id varchar or NULL.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.CHUNK.
insert into hadrian.chunk (sha256, plain_bytes, stored_bytes, coding, base, depth, key_id)
values (:sha256, :plain_bytes, :stored_bytes, :coding, :base, :depth, :key_id)
