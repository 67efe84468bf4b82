-- Takes a quota away.
-- Parameters: run text, empty for the whole store.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.quota.
delete from hadrian.quota where run = :run
