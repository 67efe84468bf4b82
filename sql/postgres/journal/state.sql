-- How far a journal is, as a node has it.
-- Parameters: feed text; name text, the journal's, which is put in as {journal} too.
-- Columns: sealed bigint, the newest batch; sealed_at timestamptz, when; confirmed bigint, up to which batches are consumed;
--   waiting bigint, committed entries without a batch; size_bytes bigint, on disk with its indexes.
-- Since: PostgreSQL 10. Privilege: select on hadrian.seal, hadrian.journal and the journal.
select
  coalesce(max(seal.number), 0) as sealed,
  max(seal.sealed_at) as sealed_at,
  (select confirmed from hadrian.journal where feed = :feed) as confirmed,
  (select count(*) from {journal} where _batch is null) as waiting,
  pg_total_relation_size(cast(:name as regclass)) as size_bytes
from hadrian.seal
where feed = :feed
