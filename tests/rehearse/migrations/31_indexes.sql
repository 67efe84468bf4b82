-- One of each kind.
create table shape (id int, name text, at int4range, tags int[], body tsvector, p point);
insert into shape
select i, 'n' || i, int4range(i, i + 5), array[i, i % 7], to_tsvector('simple', 'word' || i), point(i, i)
from generate_series(1, 200) i;
create index on shape (id);
create index on shape using hash (name);
create index on shape using gist (at);
create index on shape using gin (tags);
create index on shape using gin (body) with (fastupdate = on);
create index on shape using brin (id);
create index on shape using spgist (p);
create index concurrently shape_lower on shape (lower(name));
reindex index concurrently shape_lower;
drop index concurrently shape_lower;
