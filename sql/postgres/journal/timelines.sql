-- The last seal of each timeline that led to the node's own.
-- Parameters: feed text.
-- Columns: timeline integer; number bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.seal.
select timeline, max(number) as number
from hadrian.seal
where feed = :feed
group by timeline
order by timeline
