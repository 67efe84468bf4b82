-- Whether Hadrian's schema is in this database.
-- Parameters: none.
-- Columns: installed integer, 1 or 0.
-- Since: Db2 11.5. Privilege: SELECT on SYSCAT.TABLES.
select count(*) as installed
from syscat.tables
where tabschema = 'HADRIAN' and tabname = 'MIGRATION'
