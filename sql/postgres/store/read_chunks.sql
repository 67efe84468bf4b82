-- Some chunks, and those that they are differences from, in COPY's binary format: it costs least on both sides.
-- Parameters: digests bytea[], the chunks' SHA-256.
-- Columns: sha256 bytea; plain_bytes integer; body bytea; coding smallint; base bytea; depth smallint; key_id text,
--   NULL if the body is not sealed. A chunk that several are differences from comes as often.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.chunk.
copy (
  with recursive wanted as (
    select sha256, plain_bytes, body, coding, base, depth, key_id
    from hadrian.chunk
    where sha256 = any (cast(:digests as bytea[]))
    union all
    select c.sha256, c.plain_bytes, c.body, c.coding, c.base, c.depth, c.key_id
    from wanted as w
    join hadrian.chunk as c on c.sha256 = w.base
  )
  select sha256, plain_bytes, body, coding, base, depth, key_id from wanted
) to stdout (format binary)
