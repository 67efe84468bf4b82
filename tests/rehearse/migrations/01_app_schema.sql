-- A new application: tables that refer to each other, a view, comments and grants.
create schema shop;
create table shop.customer (
    id bigint generated always as identity primary key,
    email text not null unique,
    created timestamptz not null default now()
);
create table shop.purchase (
    id bigint generated always as identity primary key,
    customer bigint not null references shop.customer,
    total numeric(12, 2) not null check (total >= 0),
    placed timestamptz not null default clock_timestamp()
);
create index purchase_by_customer on shop.purchase (customer, placed desc);
create view shop.revenue as
    select c.email, sum(p.total) as total from shop.customer c join shop.purchase p on p.customer = c.id group by 1;
comment on table shop.purchase is 'one row a purchase; never updated';
insert into shop.customer (email) values ('ada@example.com'), ('grace@example.com');
insert into shop.purchase (customer, total) select id, id * 10 from shop.customer;
select * from shop.revenue;
