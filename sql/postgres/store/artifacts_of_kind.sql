-- The artifacts of a kind, in the order of their creation, without what they are made of.
-- Parameters: kind text.
-- Columns: id bigint; name text; sha256 bytea, of the manifest; plain_bytes bigint; created_at timestamptz.
-- Since: PostgreSQL 10. Privilege: select on hadrian.artifact.
select id, name, sha256, plain_bytes, created_at
from hadrian.artifact
where kind = :kind
order by id
