-- Prepared transactions of the database. One that is a few seconds old is somebody's work; one that nobody has ended for
-- minutes was forgotten, and holds its locks on the new primary too.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; grade text; since timestamptz; command text, mends it.
-- Since: PostgreSQL 10. Privilege: none.
select
  'PREPARED_TRANSACTION' as subject,
  gid as object,
  case when prepared < clock_timestamp() - interval '5 minutes' then 'should' else 'may' end as grade,
  prepared as since,
  format('rollback prepared %L; -- or: commit prepared %L;', gid, gid) as command
from pg_prepared_xacts
where database = current_database()
order by object
