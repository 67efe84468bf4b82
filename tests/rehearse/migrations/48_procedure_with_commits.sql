-- A batch that commits as it goes.
create table batch (n int primary key);
create procedure fill(upto int) language plpgsql as $$
begin
    for i in 1..upto loop
        insert into batch values (i);
        if i % 3 = 0 then
            commit;
        elsif i % 5 = 0 then
            rollback;
        end if;
    end loop;
end
$$;
call fill(17);
select count(*) from batch;
