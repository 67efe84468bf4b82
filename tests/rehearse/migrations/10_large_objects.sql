-- Pictures that came as large objects.
create table picture (name text primary key, data oid not null);
insert into picture values ('logo', lo_from_bytea(0, '\x89504e47'));
select lo_put(data, 4, '\x0d0a1a0a') from picture where name = 'logo';
select lo_create(900010);
select lo_put(900010, 0, 'plain text');
select lo_get(900010);
comment on large object 900010 is 'a note';
select lo_unlink(900010);
