-- Locks chunks that nothing holds and whose grace is over; what somebody is about to hold or to renew is left out.
-- Parameters: grace_s double precision, seconds; behind bytea, a digest; limit integer.
-- Columns: sha256 bytea, behind that digest, in order.
-- Since: PostgreSQL 9.5. Privilege: select and update on hadrian.chunk, select on hadrian.loose_chunk.
select sha256
from hadrian.loose_chunk
where created_at < now() - make_interval(secs => :grace_s) and sha256 > :behind
order by sha256
limit :limit
for update skip locked
