-- Forgets when an object was last found the same on a standby.
-- Parameters: standby_node varchar; what varchar; object varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: select and delete on hadrian.verified.
delete from hadrian.verified where standby_node = :standby_node and what = :what and object = :object
