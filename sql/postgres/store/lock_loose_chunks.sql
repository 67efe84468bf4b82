-- Locks those of some chunks that nothing holds and that have no more grace, but for what somebody is about to hold or renew.
-- Parameters: grace_s double precision, seconds; digests bytea[], the chunks' SHA-256.
-- Columns: sha256 bytea.
-- Since: PostgreSQL 9.5. Privilege: select and update on hadrian.chunk, select on hadrian.loose_chunk.
select sha256
from hadrian.loose_chunk
where created_at < now() - make_interval(secs => :grace_s) and sha256 = any (cast(:digests as bytea[]))
order by sha256
for update skip locked
