-- The last seal of each timeline that led to the node's own.
-- Parameters: feed varchar.
-- Columns: timeline integer; number bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.SEAL.
select timeline, max(number) as number
from hadrian.seal
where feed = :feed
group by timeline
order by timeline
with ur
