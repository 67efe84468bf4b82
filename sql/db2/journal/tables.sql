-- Whether a journal is there.
-- Parameters: name varchar.
-- Columns: present integer, 1 or 0.
-- Since: Db2 10.5. Privilege: select on SYSCAT.TABLES (PUBLIC has it, unless the database is restrictive).
select count(*) as present from syscat.tables t where t.tabschema = 'HADRIAN' and t.tabname = :name with ur
