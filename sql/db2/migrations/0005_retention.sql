-- What becomes of chunks that nothing holds any more.

-- A chunk is let go when an artifact that holds it is deleted, whoever deletes it: its grace begins anew, so that a reader who
-- is half-way through that artifact comes to its end, and a writer who found the chunk there can still rely on it.
create trigger hadrian.let_go after delete on hadrian.artifact_chunk
referencing old table as gone for each statement mode db2sql
update hadrian.chunk set created_at = current timestamp where sha256 in (select sha256 from gone);

-- Chunks that nothing holds: no artifact, and no difference whose base they are.
create view hadrian.loose_chunk (sha256, plain_bytes, stored_bytes, created_at) as
select c.sha256, c.plain_bytes, (select sum(length(p.body)) from hadrian.chunk_piece as p where p.sha256 = c.sha256), c.created_at
from hadrian.chunk as c
where not exists (select 1 from hadrian.artifact_chunk as held where held.sha256 = c.sha256)
  and not exists (select 1 from hadrian.chunk as difference where difference.base = c.sha256);
