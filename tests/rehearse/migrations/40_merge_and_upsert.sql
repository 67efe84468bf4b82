-- What came late.
create table stock (sku text primary key, amount int not null);
insert into stock values ('a', 1), ('b', 2);
insert into stock values ('a', 5) on conflict (sku) do update set amount = stock.amount + excluded.amount;
insert into stock values ('b', 1) on conflict do nothing;
merge into stock using (values ('b', 7), ('c', 8)) as n (sku, amount) on n.sku = stock.sku
when matched then update set amount = n.amount
when not matched then insert values (n.sku, n.amount);
update stock set amount = 0 where sku = 'nowhere';
delete from stock where sku = 'a' returning *;
select * from stock for update;
