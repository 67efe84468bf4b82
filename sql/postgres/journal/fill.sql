-- Gives every committed entry that has no batch this one, and its place: transactions whole, in the order of their last entry.
-- Parameters: number bigint; track boolean, whether commits have times; {journal}, its name, is put in.
-- Columns: none.
-- Since: PostgreSQL 13. Privilege: select and update on the journal.
update {journal} as entry
set
  _batch = :number,
  _seq = placed.place,
  _commit_time = case when :track then pg_xact_commit_timestamp(cast(entry._xid as xid)) end
from (
  select _entry, row_number() over (order by last_entry, _entry) as place
  from (
    select _entry, max(_entry) over (partition by _xid) as last_entry from {journal} where _batch is null
  ) as known
) as placed
where entry._entry = placed._entry
