-- Which chunks nothing holds, that have no more grace.
-- Parameters: grace_s double precision, seconds; behind bytea, a digest; limit integer.
-- Columns: sha256 bytea, behind that digest, in order.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.loose_chunk.
select sha256
from hadrian.loose_chunk
where created_at < now() - make_interval(secs => :grace_s) and sha256 > :behind
order by sha256
limit :limit
