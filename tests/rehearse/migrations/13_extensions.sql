-- The row travels, the files do not.
-- rehearsal: not-rehearsed
create extension hstore;
create table product (id int primary key, attributes hstore);
insert into product values (1, 'colour => red, size => 42');
create index product_attributes on product using gin (attributes);
select attributes -> 'colour' from product;
-- rehearsal: failed
create extension no_such_extension;
