-- Columns that change their type.
create table wide (id int primary key, amount int, label varchar(10));
insert into wide select i, i, 'l' || i from generate_series(1, 50) i;
alter table wide alter column amount type numeric(20, 4);
alter table wide add column token uuid default gen_random_uuid();
alter table wide alter column label type text, alter column label set not null;
alter table wide drop column token;
alter table wide add column doubled numeric generated always as (amount * 2) stored;
alter table wide add column tripled numeric generated always as (amount * 3) virtual;
alter table wide rename column label to name;
alter table wide rename to broad;
