-- The primary that sealed last.
-- Parameters: none.
-- Columns: host varchar.
-- Since: Db2 10.5. Privilege: select on HADRIAN.SEAL.
select host
from hadrian.seal
order by timeline desc, sealed_at desc
fetch first 1 rows only
with ur
