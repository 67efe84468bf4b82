-- Tickets whose numbers were thought to be of no worth.
-- rehearsal: lost
create unlogged sequence ticket;
-- rehearsal: lost
select nextval('ticket') from generate_series(1, 5);
-- rehearsal: lost
create unlogged table draft (id int generated always as identity primary key, body text);
-- rehearsal: lost
insert into draft (body) values ('a'), ('b');
create unlogged sequence voucher;
-- rehearsal: lost
alter sequence voucher increment 5;
-- rehearsal: lost
select nextval('voucher');
