-- Pins the settings that an observation reads with, whoever the script has become and whatever it has set: until the
-- transaction or savepoint around it is rolled back.
--
-- Parameters: none
-- Columns: of no interest
-- Since: PostgreSQL 12
-- Privilege: a session that began as the superuser postgres
select set_config('session_authorization', 'postgres', true),
       set_config('role', 'none', true),
       set_config('search_path', 'pg_catalog', true),
       set_config('statement_timeout', '0', true),
       set_config('datestyle', 'ISO', true),
       set_config('intervalstyle', 'postgres', true),
       set_config('timezone', 'UTC', true),
       set_config('extra_float_digits', '1', true),
       set_config('bytea_output', 'hex', true),
       set_config('lc_monetary', 'C', true),
       set_config('client_encoding', 'UTF8', true)
