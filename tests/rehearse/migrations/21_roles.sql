-- Who may do what.
create role r21_owner nologin;
create role r21_reader login password 'not a secret';
create user r21_writer in role r21_owner;
create table ledger (id int primary key, amount numeric);
alter table ledger owner to r21_owner;
grant select on ledger to r21_reader;
grant insert, update (amount) on ledger to r21_writer;
alter default privileges for role r21_owner in schema public grant select on tables to r21_reader;
grant r21_owner to r21_writer with admin option;
alter table ledger enable row level security;
create policy small on ledger for select to r21_reader using (amount < 1000);
set role r21_owner;
insert into ledger values (1, 10);
reset role;
revoke all on ledger from r21_writer;
