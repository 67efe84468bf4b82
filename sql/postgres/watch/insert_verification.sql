-- Records one comparison of two nodes.
-- Parameters: primary_node text; standby_node text; mode text; took_s double precision; compared integer; read_bytes
-- bigint; different integer; unsettled integer; unseen integer; problem text; findings text, JSON.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.verification.
insert into hadrian.verification (
  primary_node, standby_node, mode, took_s, compared, read_bytes, different, unsettled, unseen, problem, findings
)
values (
  :primary_node, :standby_node, :mode, :took_s, :compared, :read_bytes, :different, :unsettled, :unseen, :problem, :findings
)
