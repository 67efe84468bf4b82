-- A view that takes inserts.
create table base (id int primary key, v text, hidden bool default false);
create view shown as select id, v from base where not hidden with check option;
insert into shown values (1, 'a');
update shown set v = 'b' where id = 1;
create view joined as select b.id, s.v from base b join shown s using (id);
create rule joined_insert as on insert to joined do instead insert into base (id, v) values (new.id, new.v);
insert into joined values (2, 'by rule');
create or replace view shown as select id, v, hidden from base;
drop view joined;
