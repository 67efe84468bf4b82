-- Records one comparison of two nodes.
-- Parameters: primary_node varchar; standby_node varchar; mode varchar; took_s double; compared integer; read_bytes
-- bigint; different integer; unsettled integer; unseen integer; problem varchar; findings varchar, JSON.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on hadrian.verification.
insert into hadrian.verification (
  primary_node, standby_node, mode, took_s, compared, read_bytes, different, unsettled, unseen, problem, findings
)
values (
  :primary_node, :standby_node, :mode, :took_s, :compared, :read_bytes, :different, :unsettled, :unseen, :problem, :findings
)
