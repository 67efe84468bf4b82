-- Gives an artifact its meaning: the state of a run after a step, trained up to a cursor.
-- Parameters: run varchar; step integer; artifact_id bigint; timeline integer; lsn bigint; seq bigint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.CHECKPOINT.
insert into hadrian.checkpoint (run, step, artifact_id, timeline, cursor_lsn, cursor_seq)
values (:run, :step, :artifact_id, :timeline, :lsn, :seq)
