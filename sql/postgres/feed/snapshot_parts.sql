-- The parts of a feed's unfinished snapshot that are kept.
-- Parameters: feed text.
-- Columns: number integer; manifest text; sha256 bytea, its digest.
-- Since: PostgreSQL 10. Privilege: select on hadrian.snapshot_part.
select number, manifest, sha256
from hadrian.snapshot_part
where feed = :feed
order by number
