-- Numbers for invoices.
create sequence invoice_number start 1000 increment 5;
select nextval('invoice_number');
select nextval('invoice_number') from generate_series(1, 40);
select currval('invoice_number');
alter sequence invoice_number increment 1 restart with 5000;
create table invoice (number bigint primary key default nextval('invoice_number'), amount numeric);
alter sequence invoice_number owned by invoice.number;
insert into invoice (amount) select 1 from generate_series(1, 10);
select setval('invoice_number', (select max(number) from invoice));
create sequence countdown increment -1 start 100 minvalue 1 maxvalue 100;
select nextval('countdown');
