-- Which of these chunks the store holds, and how many must be read before each. What another writer has not committed is
-- passed over (CUR_COMMIT = ON, the default).
-- Parameters: digests, a list of varchar for bit data, the chunks' SHA-256.
-- Columns: sha256 varchar for bit data; depth smallint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHUNK.
select sha256, depth from hadrian.chunk where sha256 in :digests
