-- Keeps others from creating a feed of this name until the transaction is rolled back; waits while somebody else does.
-- Parameters: feed varchar.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.CREATION.
insert into hadrian.creation (feed) values (:feed)
