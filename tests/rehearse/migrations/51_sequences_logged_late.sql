-- Loaded without logging, logged afterwards: the sequence still has values that it hands out unlogged.
create unlogged table parcel (id int generated always as identity primary key, v text);
insert into parcel (v) values ('loaded');
alter table parcel set logged;
-- rehearsal: lost
insert into parcel (v) values ('fast'), ('fast too');
create unlogged sequence parcel_number;
select nextval('parcel_number');
alter sequence parcel_number set logged;
select setval('parcel_number', 50);
select nextval('parcel_number');
