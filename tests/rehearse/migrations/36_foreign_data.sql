-- Tables of another server.
-- rehearsal: not-rehearsed
create extension postgres_fdw;
create server m36 foreign data wrapper postgres_fdw options (host '192.0.2.1', dbname 'far');
create user mapping for public server m36 options (user 'u', password 'not a secret');
create foreign table far_away (id int, v text) server m36 options (table_name 'near');
alter server m36 options (set dbname 'farther');
