-- Makes a key's id known; fails if it is.
-- Parameters: id text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.chunk_key.
insert into hadrian.chunk_key (id) values (:id)
