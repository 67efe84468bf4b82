-- Keeps others from creating a feed of this name while the session lasts.
-- Parameters: feed text.
-- Columns: locked boolean, false while another session does.
-- Since: PostgreSQL 11. Privilege: none.
select pg_try_advisory_lock(hashtextextended('hadrian.snapshot ' || cast(:feed as text), 0)) as locked
