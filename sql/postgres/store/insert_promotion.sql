-- Notes a move of a tag; `move_tag` moves it, in the same transaction.
-- Parameters: run text; tag text; step integer, where it goes; from_step integer, where it was, or NULL; back_to bigint, the move
--   that a rollback takes it back to, or NULL.
-- Columns: number bigint.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.promotion, select on its column number.
insert into hadrian.promotion (run, tag, step, from_step, back_to)
values (:run, :tag, :step, cast(:from_step as integer), cast(:back_to as bigint))
returning number
