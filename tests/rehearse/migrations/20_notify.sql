-- Listeners are told of what has changed.
create table inbox (id int generated always as identity, body text);
-- rehearsal: lost
notify inbox_changed;
-- rehearsal: lost
notify inbox_changed, 'again';
-- rehearsal: lost
select pg_notify('inbox_changed', 'by function');
-- rehearsal: lost
listen inbox_changed;
insert into inbox (body) values ('x');
unlisten inbox_changed;
begin;
insert into inbox (body) values ('y');
-- rehearsal: lost
notify inbox_changed, 'at commit';
commit;
begin;
notify inbox_changed, 'never sent';
rollback;
