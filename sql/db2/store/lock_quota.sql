-- Lets one artifact after another be held against the quotas, until the transaction ends.
-- Parameters: none.
-- Columns: none.
-- Since: Db2 9.7. Privilege: select on HADRIAN.QUOTA.
lock table hadrian.quota in exclusive mode
