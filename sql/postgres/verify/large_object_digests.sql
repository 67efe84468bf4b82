-- A range of each of some large objects, hashed; one that is not there is left out.
-- Parameters: oids bigint[]; range_start bigint; range_bytes integer.
-- Columns: oid bigint; held text, its owner and who else may read or write it; bytes integer, that the range has of it;
-- digest bytea, SHA-256.
-- Since: PostgreSQL 11. Privilege: select on the large objects.
select piece.oid::bigint as oid, piece.held, octet_length(piece.content) as bytes, sha256(piece.content) as digest
from (
  select
    metadata.oid,
    concat_ws(' ', 'owner', lomowner::regrole, lomacl::text) as held,
    lo_get(metadata.oid, :range_start, :range_bytes) as content
  from pg_largeobject_metadata metadata
  where metadata.oid = any (cast(cast(:oids as bigint[]) as oid[]))
  offset 0 -- each is read once
) piece
