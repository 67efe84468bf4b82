-- The bodies of some chunks, piece by piece in their order. A chunk is committed before the artifact that holds it exists, so
-- nothing is lost by isolation UR, which a standby demands.
-- Parameters: digests, a list of varchar for bit data, the chunks' SHA-256.
-- Columns: sha256 varchar for bit data; plain_bytes integer; coding smallint; base varchar for bit data or NULL; depth smallint;
-- key_id varchar, NULL if the body is not sealed; body varchar for bit data, a piece of it.
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHUNK and HADRIAN.CHUNK_PIECE.
select
  c.sha256 as sha256,
  c.plain_bytes as plain_bytes,
  c.coding as coding,
  c.base as base,
  c.depth as depth,
  c.key_id as key_id,
  p.body as body
from hadrian.chunk as c
join hadrian.chunk_piece as p on p.sha256 = c.sha256
where c.sha256 in :digests
order by c.sha256, p.number
with ur
