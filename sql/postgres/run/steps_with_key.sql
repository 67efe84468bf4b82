-- The steps whose digests hold the bytes of one, wherever they begin: whoever reads looks again, eight by eight.
-- Parameters: run text; digest bytea.
-- Columns: step integer; key_digests bytea.
-- Since: PostgreSQL 10. Privilege: select on hadrian.step.
select step, key_digests
from hadrian.step
where run = :run and position(cast(:digest as bytea) in key_digests) > 0
order by step
