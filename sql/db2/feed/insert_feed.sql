-- Makes a feed exist; in one transaction with its snapshot's artifact.
-- Parameters: name varchar; publication varchar; slot varchar; start_lsn bigint; timeline integer; snapshot_id bigint; source
-- varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.FEED.
insert into hadrian.feed (name, publication, slot, start_lsn, timeline, snapshot_id, source)
values (:name, :publication, :slot, :start_lsn, :timeline, :snapshot_id, :source)
