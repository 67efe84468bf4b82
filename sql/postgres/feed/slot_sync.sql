-- What decides whether a standby copies a primary's failover slots; the same question to either node.
-- Parameters: none.
-- Columns: feedback boolean, hot_standby_feedback; synchronizes boolean, sync_replication_slots; slot text,
--   primary_slot_name; conninfo text, primary_conninfo, NULL if the role may not see it (it may hold a password);
--   synchronized text array, of synchronized_standby_slots; physical text array, the physical slots of this node;
--   role text.
-- Since: PostgreSQL 10, where what came with 17 is NULL or empty. Privilege: pg_read_all_settings, for conninfo.
select
  current_setting('hot_standby_feedback')::boolean as feedback,
  coalesce(current_setting('sync_replication_slots', true)::boolean, false) as synchronizes,
  (select setting from pg_settings where name = 'primary_slot_name') as slot,
  (select setting from pg_settings where name = 'primary_conninfo') as conninfo,
  string_to_array(
    replace(coalesce(current_setting('synchronized_standby_slots', true), ''), ' ', ''), ','
  ) as synchronized,
  array(select slot_name::text from pg_replication_slots where slot_type = 'physical') as physical,
  current_user::text as role
