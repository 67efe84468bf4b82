-- Has this session wait for no lock; without it, it waits for ever (LOCKTIMEOUT = -1, the default).
-- Parameters: none.
-- Columns: none.
-- Since: Db2 10.5. Privilege: none.
set current lock timeout 0
