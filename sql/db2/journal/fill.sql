-- Gives an entry its batch and its place there.
-- Parameters: number bigint; place bigint; entry bigint; {journal}, its name, is put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: update on the journal.
update {journal} set "_batch" = :number, "_seq" = :place where "_entry" = :entry
