-- The quotas that are set.
-- Parameters: none.
-- Columns: run varchar, empty for the whole store; allowed_bytes bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.QUOTA.
select run as "run", allowed_bytes as allowed_bytes from hadrian.quota order by run with ur
