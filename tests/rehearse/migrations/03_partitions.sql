-- Measurements by month.
create table measurement (
    sensor int not null, taken timestamptz not null, value float8, primary key (sensor, taken)
) partition by range (taken);
create table measurement_2024_01 partition of measurement for values from ('2024-01-01') to ('2024-02-01');
create table measurement_2024_02 partition of measurement for values from ('2024-02-01') to ('2024-03-01');
create table measurement_rest partition of measurement default;
create index on measurement (value);
insert into measurement select s, timestamptz '2024-01-15 00:00Z' + s * interval '1 day', random()
from generate_series(1, 60) s;
alter table measurement detach partition measurement_2024_01;
alter table measurement attach partition measurement_2024_01 for values from ('2024-01-01') to ('2024-02-01');
drop table measurement_rest;
