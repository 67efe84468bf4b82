-- The newest seal of a feed.
-- Parameters: feed varchar.
-- Columns: number bigint; timeline integer; host varchar, that sealed.
-- Since: Db2 10.5. Privilege: select on HADRIAN.SEAL.
select number, timeline, host
from hadrian.seal
where feed = :feed
order by number desc
fetch first 1 rows only
