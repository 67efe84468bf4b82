-- What becomes of chunks that nothing holds any more.

-- A chunk is let go when an artifact that holds it is deleted, whoever deletes it: its grace begins anew, so that a reader who
-- is half-way through that artifact comes to its end, and a writer who found the chunk there can still rely on it.
-- In digest order, as whoever else updates several chunks does.
create function hadrian.let_go() returns trigger language plpgsql as $$
begin
  update hadrian.chunk as c
  set created_at = now()
  from (
    select chunk.sha256
    from hadrian.chunk
    join gone on gone.sha256 = chunk.sha256
    order by chunk.sha256
    for no key update of chunk
  ) as locked
  where c.sha256 = locked.sha256;
  return null;
end
$$;

create trigger let_go after delete on hadrian.artifact_chunk
  referencing old table as gone
  for each statement execute procedure hadrian.let_go();

-- Chunks that nothing holds: no artifact, no difference whose base they are, no part of a snapshot that is being taken.
create view hadrian.loose_chunk as
select c.sha256, c.plain_bytes, octet_length(c.body) as stored_bytes, c.created_at
from hadrian.chunk as c
where not exists (select from hadrian.artifact_chunk as held where held.sha256 = c.sha256)
  and not exists (select from hadrian.chunk as difference where difference.base = c.sha256)
  and not exists (
    select
    from hadrian.snapshot_part as part,
      jsonb_array_elements(cast(part.manifest as jsonb) -> 'blobs') as blob,
      jsonb_array_elements_text(blob -> 'chunks') as kept (sha256)
    where decode(kept.sha256, 'hex') = c.sha256
  );

-- The bodies are in the table's TOAST relation, 512 rows for 1 MiB: vacuum it when 2 % of it is dead, not 20 %.
alter table hadrian.chunk set (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);

-- To give pages at a table's end back to the system, vacuum locks it against every reader, and a standby cancels the queries
-- that keep it from replaying that lock. The pages are kept instead, for the chunks to come.
do $$
begin
  if current_setting('server_version_num')::integer >= 120000 then
    execute 'alter table hadrian.chunk set (vacuum_truncate = off, toast.vacuum_truncate = off)';
  end if;
end
$$;
