-- Says that a batch is whole, and who says so.
-- Parameters: feed varchar; number bigint; row_count bigint; timeline integer; host varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.SEAL.
insert into hadrian.seal (feed, number, row_count, timeline, host)
values (:feed, :number, :row_count, :timeline, :host)
