-- Lets a trigger fire also for what logical replication writes, and under session_replication_role = replica.
-- Parameters: none are bound; {trigger} and {table}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: owner of the table.
alter table {table} enable always trigger {trigger}
