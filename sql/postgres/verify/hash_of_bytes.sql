-- What the server makes of some bytes: the hash depends on the order of bytes in the machine's words.
-- Parameters: none.
-- Columns: hash text.
-- Since: PostgreSQL 11. Privilege: none.
select hashbyteaextended('\x000102030405060708090a0b0c0d0e0f'::bytea, 1)::text as hash
