-- Whether the server remembers when transactions committed.
-- Parameters: none.
-- Columns: track boolean.
-- Since: PostgreSQL 10. Privilege: none.
select current_setting('track_commit_timestamp') = 'on' as track
