-- Forgets when an object was last found the same on a standby.
-- Parameters: standby_node text; what text; object text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: select and delete on hadrian.verified.
delete from hadrian.verified where standby_node = :standby_node and what = :what and object = :object
