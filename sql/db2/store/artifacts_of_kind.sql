-- The artifacts of a kind, in the order of their creation, without what they are made of.
-- Parameters: kind varchar.
-- Columns: id bigint; name varchar; sha256 varchar for bit data, of the manifest; plain_bytes bigint; created_at timestamp.
-- Since: Db2 10.5. Privilege: select on HADRIAN.ARTIFACT.
select id, name, sha256, plain_bytes, created_at
from hadrian.artifact
where kind = :kind
order by id
with ur
