-- The last seal of each timeline that led to the node's own, whichever feed's is the last.
-- Parameters: none.
-- Columns: timeline integer; number bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.SEAL.
select timeline, max(number) as number
from hadrian.seal
group by timeline
order by timeline
with ur
