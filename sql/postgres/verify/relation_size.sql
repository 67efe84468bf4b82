-- How long a table's file is on this node.
-- Parameters: table text, its name, qualified and quoted.
-- Columns: blocks bigint, NULL where the table is not there.
-- Since: PostgreSQL 9.4. Privilege: none.
select pg_relation_size(to_regclass(:table)) / current_setting('block_size')::bigint as blocks
