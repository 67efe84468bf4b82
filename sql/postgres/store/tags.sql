-- A run's tags.
-- Parameters: run text.
-- Columns: tag text; step integer.
-- Since: PostgreSQL 10. Privilege: select on hadrian.checkpoint_tag.
select tag, step
from hadrian.checkpoint_tag
where run = :run
order by tag
