-- Records that an object was found the same on a standby.
-- Parameters: standby_node varchar; what varchar; object varchar; lsn bigint, NULL where no log brings it; items bigint; verified_at
-- timestamp, in UTC.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on hadrian.verified.
insert into hadrian.verified (standby_node, what, object, lsn, items, verified_at)
values (:standby_node, :what, :object, :lsn, :items, :verified_at)
