-- Subscriptions that start on whichever copy of this database is promoted.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted; grade text.
-- Since: PostgreSQL 10. Privilege: none.
select 'SUBSCRIPTION' as subject, format('%I', subname) as object, 'may' as grade
from pg_subscription
where subenabled and subdbid = (select oid from pg_database where datname = current_database())
order by object
