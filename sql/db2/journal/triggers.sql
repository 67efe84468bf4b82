-- A journal's triggers that are there.
-- Parameters: inserts, updates and deletes varchar, their names.
-- Columns: schema_name varchar; name varchar.
-- Since: Db2 10.5. Privilege: select on SYSCAT.TRIGGERS (PUBLIC has it, unless the database is restrictive).
select rtrim(t.trigschema) as schema_name, t.trigname as name
from syscat.triggers t
where t.trigname in (:inserts, :updates, :deletes)
with ur
