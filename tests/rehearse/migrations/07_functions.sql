-- Routines, and what calls them.
create table account (id int primary key, balance numeric not null);
insert into account values (1, 100), (2, 50);
create function transfer(source int, target int, amount numeric) returns void language plpgsql as $$
begin
    update account set balance = balance - amount where id = source;
    update account set balance = balance + amount where id = target;
end
$$;
create function double(x int) returns int language sql immutable return x * 2;
create procedure close_account(who int) language sql begin atomic
    delete from account where id = who;
end;
select double(21);
select transfer(1, 2, 30);
call close_account(2);
create or replace function double(x int) returns int language sql immutable as 'select x + x';
drop procedure close_account(int);
