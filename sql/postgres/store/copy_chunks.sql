-- Takes in chunks as one stream.
-- Parameters: none; rows of (sha256 bytea, plain_bytes integer, body bytea, coding smallint, base bytea, depth smallint, key_id
--   text) follow in COPY's binary format.
-- Columns: none.
-- Since: PostgreSQL 9.0. Privilege: insert on hadrian.chunk.
copy hadrian.chunk (sha256, plain_bytes, body, coding, base, depth, key_id) from stdin (format binary)
