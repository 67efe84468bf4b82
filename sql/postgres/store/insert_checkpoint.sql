-- Gives an artifact its meaning: the state of a run after a step, trained up to a cursor.
-- Parameters: run text; step integer; artifact_id bigint; timeline integer; lsn text; seq bigint.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.checkpoint.
insert into hadrian.checkpoint (run, step, artifact_id, timeline, cursor_lsn, cursor_seq)
values (:run, :step, :artifact_id, :timeline, cast(:lsn as pg_lsn), :seq)
