-- How many entries a batch has.
-- Parameters: number bigint; {journal}, its name, is put in.
-- Columns: filled bigint.
-- Since: Db2 10.5. Privilege: select on the journal.
select count(*) as filled from {journal} where "_batch" = :number
