-- What a statement can change outside catalogs and tables: files of the server, slots, memory shared by sessions.
--
-- A notification leaves no row; what moves is the count of pages touched in the queue's buffers. The counts are those
-- of the last flush: call pg_stat_force_next_flush() before.
--
-- Parameters: none
-- Columns: kind, name, value
-- Since: PostgreSQL 17 (failover slots)
-- Privilege: pg_read_all_settings and EXECUTE on pg_show_all_file_settings: a superuser's
select 'setting' as kind, name, setting as value
from pg_file_settings
where sourcefile like '%/postgresql.auto.conf'
union all
select 'slot', slot_name, concat_ws(' ', plugin, slot_type, database, failover, two_phase, confirmed_flush_lsn)
from pg_replication_slots
where not temporary and not (slot_type = 'physical' and active)
union all
select 'prepared transaction', gid, concat_ws(' ', owner, database)
from pg_prepared_xacts
union all
select 'origin progress', external_id, remote_lsn::text
from pg_show_replication_origin_status()
where remote_lsn <> '0/0'
union all
select 'advisory lock', concat_ws(' ', classid, objid, objsubid), mode
from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid() and granted
union all
select 'listening on', channel, 'yes'
from pg_listening_channels() channel
union all
select 'temporary relation', relname, relkind::text
from pg_class
where relnamespace = pg_my_temp_schema()
union all
select 'queue of', 'notifications', (blks_zeroed + blks_hit + blks_read)::text
from pg_stat_slru
where name = 'notify'
union all
select 'statistics of', 'this database', coalesce(pg_stat_get_db_stat_reset_time(oid)::text, 'never reset')
from pg_database
where datname = current_database()
union all
select 'library', p.probin, 'used'
from pg_proc p
join pg_language l on l.oid = p.prolang
where l.lanname = 'c' and p.oid >= 16384
group by p.probin
union all
select 'files of extension', extname, extversion
from pg_extension
union all
select 'directory of tablespace', spcname, pg_tablespace_location(oid)
from pg_tablespace
