-- One seal of a feed.
-- Parameters: feed varchar; number bigint.
-- Columns: row_count bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.SEAL.
select row_count from hadrian.seal where feed = :feed and number = :number with ur
