-- The quotas that are set.
-- Parameters: none.
-- Columns: run text, empty for the whole store; allowed_bytes bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.quota.
select run, allowed_bytes from hadrian.quota order by run
