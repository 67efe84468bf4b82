-- Records that a part of a feed's snapshot is kept.
-- Parameters: feed text; number integer; manifest text; sha256 bytea, its digest.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.snapshot_part.
insert into hadrian.snapshot_part (feed, number, manifest, sha256)
values (:feed, :number, :manifest, :sha256)
