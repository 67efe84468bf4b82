-- The columns of a journal that are its table's.
-- Parameters: name text, the journal's; own text[], the columns that every journal has.
-- Columns: name text; type bigint, its OID; modifier integer.
-- Since: PostgreSQL 10. Privilege: none.
select attname::text as name, atttypid::bigint as type, atttypmod as modifier
from pg_attribute
where attrelid = cast(:name as regclass) and attnum > 0 and not attisdropped and attname <> all (:own)
order by attnum
