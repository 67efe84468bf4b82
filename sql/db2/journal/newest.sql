-- The number up to which batches were made: sealed, or filled and about to be.
-- Parameters: feed varchar; {journal}, its name, is put in.
-- Columns: newest bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.SEAL and the journal.
select coalesce(max(number), 0) as newest
from (
  select number from hadrian.seal where feed = :feed
  union all
  select "_batch" as number from {journal}
) as made
with ur
