-- Odds and ends of the schema.
create collation german (provider = builtin, locale = 'C.UTF-8');
create text search configuration plain (copy = simple);
create text search dictionary stop_words (template = pg_catalog.simple, stopwords = english);
alter text search configuration plain alter mapping for asciiword with stop_words;
create access method heap_twin type table handler heap_tableam_handler;
create table odd (id int, v text collate german) using heap_twin;
insert into odd values (1, 'ä');
create language sql_twin handler plpgsql_call_handler;
alter table odd replica identity full;
create conversion odd_conversion for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
select pg_replication_origin_create('m47_origin');
