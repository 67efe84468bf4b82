-- Sets a quota where none is.
-- Parameters: run text, empty for the whole store; allowed_bytes bigint.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.quota.
insert into hadrian.quota (run, allowed_bytes) values (:run, :allowed_bytes)
