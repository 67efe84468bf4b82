-- Whether Hadrian's schema is in this database.
-- Parameters: none.
-- Columns: installed boolean.
-- Since: PostgreSQL 10. Privilege: USAGE on schema hadrian where it exists.
select to_regclass('hadrian.migration') is not null as installed
