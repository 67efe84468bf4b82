-- Reference data, loaded as pg_dump writes it.
create table country (code char(2) primary key, name text not null);
copy country (code, name) from stdin;
at	Österreich
de	Deutschland
fr	France
it	Italia
\.
create table city (id int, country char(2) references country, name text);
COPY city FROM STDIN WITH (FORMAT csv, HEADER true);
id,country,name
1,at,"Wien"
2,de,"Berlin; Mitte"
3,fr,'Paris'
\.
create unique index city_pkey on city (id);
alter table city add primary key using index city_pkey;
copy country to stdout;
