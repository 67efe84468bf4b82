-- Lets this transaction give up soon when a lock is not to be had: a trigger is made once open writers have ended, and until
-- then new ones wait too.
-- Parameters: none.
-- Columns: set_config text.
-- Since: PostgreSQL 10. Privilege: none.
select set_config('lock_timeout', '5s', true)
