-- Makes a feed exist; in one transaction with its snapshot's artifact.
-- Parameters: name text; publication text; slot text; start_lsn text; timeline integer; snapshot_id bigint; source text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.feed.
insert into hadrian.feed (name, publication, slot, start_lsn, timeline, snapshot_id, source)
values (:name, :publication, :slot, cast(:start_lsn as pg_lsn), :timeline, :snapshot_id, :source)
