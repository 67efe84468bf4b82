-- Takes the next changes off a slot, as messages of pgoutput in text form.
-- Parameters: slot text; publications text, quoted names; upto text, a position: what commits behind it may be left
--   out, and may come; count integer, of messages, and then the rest of a transaction.
-- Columns: data bytea.
-- Since: PostgreSQL 10; on a standby 16. Privilege: REPLICATION.
select data
from pg_logical_slot_get_binary_changes(
  cast(:slot as name), cast(:upto as pg_lsn), :count,
  'proto_version', '1', 'publication_names', cast(:publications as text)
)
