-- How far subscriptions have come: the log's position up to which every one of them has applied it.
-- Parameters: slots text[].
-- Columns: lsn text, NULL where there is no such slot.
-- Since: PostgreSQL 10. Privilege: none; with pg_monitor it is told sooner.
select min(greatest(slot.confirmed_flush_lsn, sender.replay_lsn))::text as lsn
from unnest(cast(:slots as text[])) as asked (name)
left join pg_replication_slots slot on slot.slot_name = asked.name
left join pg_stat_replication sender on sender.pid = slot.active_pid
having bool_and(slot.slot_name is not null)
