-- Has the transaction's commit wait until it is flushed, where the role or the database would not.
-- Parameters: none.
-- Columns: level text, or no row.
-- Since: PostgreSQL 9.1. Privilege: none.
select set_config('synchronous_commit', 'on', true) as level where current_setting('synchronous_commit') = 'off'
