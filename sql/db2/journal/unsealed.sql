-- Committed entries that have no batch. What is inserted and not committed is passed over (CUR_COMMIT = ON, the default).
-- Parameters: last bigint, the highest that is asked for; {journal}, its name, is put in.
-- Columns: entry bigint.
-- Since: Db2 10.5. Privilege: select on the journal.
select "_entry" as entry from {journal} where "_batch" is null and "_entry" <= :last order by "_entry" with cs
