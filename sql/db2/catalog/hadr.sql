-- The state of HADR: on a primary a row for each standby, on a standby its own. What a node knows of the other one came
-- with a heartbeat, so it is a little old, and NULL before the two have met.
-- Parameters: none.
-- Columns: hadr_role varchar; hadr_syncmode varchar; standby_id smallint; hadr_state varchar; hadr_flags varchar, words
-- with spaces between them; primary_member_host, primary_instance, standby_member_host, standby_instance varchar;
-- hadr_connect_status varchar; hadr_connect_status_time timestamp; hadr_log_gap bigint, bytes that the standby has not
-- received; standby_recv_replay_gap bigint, bytes received and not replayed; standby_replay_delay bigint, ms; peer_window
-- bigint, ms; reads_on_standby_enabled char: Y, N.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.MON_GET_HADR.
select
  hadr_role,
  hadr_syncmode,
  standby_id,
  hadr_state,
  hadr_flags,
  primary_member_host,
  primary_instance,
  standby_member_host,
  standby_instance,
  hadr_connect_status,
  hadr_connect_status_time,
  hadr_log_gap,
  standby_recv_replay_gap,
  standby_replay_delay,
  peer_window,
  reads_on_standby_enabled
from table(mon_get_hadr(-1)) as hadr
order by standby_id
with ur
