-- A report that is refreshed at night.
create table sale (day date, amount numeric);
insert into sale select date '2024-01-01' + i, i from generate_series(0, 30) i;
create materialized view monthly as select date_trunc('month', day) as month, sum(amount) from sale group by 1;
create unique index monthly_by_month on monthly (month);
insert into sale values ('2024-02-02', 5);
refresh materialized view monthly;
refresh materialized view concurrently monthly;
create materialized view later as select count(*) from sale with no data;
refresh materialized view later;
drop materialized view later;
