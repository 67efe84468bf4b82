-- A position behind every commit that this primary shows, flushed or not. The insert position may be behind a page's header
-- that no record follows yet, which nobody would ever confirm: then the page's beginning is as good.
-- Parameters: none.
-- Columns: lsn text.
-- Since: PostgreSQL 11. Privilege: none.
select
  (
    case
      when mod(place, segment) = 40 then inserted - 40 -- the longer header, of a segment's first page
      when mod(place, block) = 24 then inserted - 24
      else inserted
    end
  )::text as lsn
from (
  select
    inserted,
    inserted - pg_lsn '0/0' as place,
    current_setting('wal_block_size')::numeric as block,
    pg_size_bytes(current_setting('wal_segment_size'))::numeric as segment
  from (select pg_current_wal_insert_lsn() as inserted) as now
) as measured
