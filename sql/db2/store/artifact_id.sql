-- The number that an artifact was given.
-- Parameters: kind varchar; name varchar.
-- Columns: id bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.ARTIFACT.
select id from hadrian.artifact where kind = :kind and name = :name
