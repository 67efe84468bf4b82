-- Records that an object was found the same on a standby.
-- Parameters: standby_node text; what text; object text; lsn text, NULL where no log brings it; items bigint; verified_at
-- timestamp, in UTC.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.verified.
insert into hadrian.verified (standby_node, what, object, lsn, items, verified_at)
values (:standby_node, :what, :object, cast(:lsn as pg_lsn), :items, :verified_at)
