-- Libraries that functions in C are defined in, an extension's included; those that initdb defines are left out.
-- Parameters: none.
-- Columns: library text, as the catalog spells it: $libdir/name, a bare name, or a path.
-- Since: PostgreSQL 10. Privilege: none.
select distinct probin as library
from pg_proc
join pg_language on pg_language.oid = pg_proc.prolang
where pg_language.lanname = 'c' and pg_proc.oid >= 16384 -- FirstNormalObjectId
order by library
