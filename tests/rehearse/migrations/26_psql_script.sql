\set ON_ERROR_STOP off
\timing off
\echo creating the tables
create table note (id int, body text);
insert into note values (1, 'a; semicolon'), (2, $$another; one$$) \g
\pset pager off
select count(*) from note \gx
\copy note from stdin with (format csv)
3,"three"
\.
-- rehearsal: not-rehearsed
\i other.sql
create table twin (id int) \; insert into twin values (1);
\echo done
