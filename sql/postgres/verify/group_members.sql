-- The transactions that hold a row together.
-- Parameters: multixact bigint.
-- Columns: xid bigint, its lower 32 bits.
-- Since: PostgreSQL 9.3. Privilege: none.
select member.xid::text::bigint as xid
from pg_get_multixact_members(cast(cast(:multixact as text) as xid)) as member
