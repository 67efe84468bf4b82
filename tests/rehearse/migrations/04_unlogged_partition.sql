-- The newest partition takes the load, so it was made unlogged.
create table event (at date not null, what text) partition by range (at);
create table event_old partition of event for values from (minvalue) to ('2024-01-01');
-- rehearsal: lost
create unlogged table event_new partition of event for values from ('2024-01-01') to (maxvalue);
insert into event_old values ('2023-05-05', 'old');
-- rehearsal: lost
insert into event_new values ('2024-05-05', 'new');
select count(*) from event;
