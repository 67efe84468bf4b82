-- Makes a key's id known; fails if it is.
-- Parameters: id varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.CHUNK_KEY.
insert into hadrian.chunk_key (id) values (:id)
