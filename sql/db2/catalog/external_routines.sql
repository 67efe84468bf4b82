-- Routines whose body is a file outside the database. The log holds their definition, never the file.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, qualified, with the specific name where it is another;
-- detail varchar, the file and what is called in it.
-- Since: Db2 10.5. Privilege: select on SYSCAT.ROUTINES (PUBLIC has it, unless the database is restrictive).
select
  case
    when language <> 'JAVA' then 'EXTERNAL_LIBRARY'
    when jar_id is not null then 'JAR'
    else 'CLASS_FILE'
  end as subject,
  rtrim(routineschema) || '.' || routinename
    || case when specificname = routinename then '' else ' (' || specificname || ')' end as object,
  implementation as detail
from syscat.routines
where origin = 'E'
  and routineschema not like 'SYS%'
  and routineschema <> 'SQLJ'
order by routineschema, routinename, specificname
with ur
