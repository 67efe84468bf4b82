-- Tables and sequences whose content is not in the log. Indexes and TOAST tables follow their table, and a sequence
-- that an unlogged table owns follows it too, so they are left out. A table that somebody has locked exclusively is not
-- measured: that would wait.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted and qualified; detail text, a logged table that the
-- rows are also read through, as partition or inheritance child at any depth; size bigint, bytes with indexes and TOAST;
-- rows bigint, the planner's estimate; command text, mends it.
-- Since: PostgreSQL 10. Privilege: none.
with recursive ancestor(relid, parent) as (
  select inhrelid, inhparent from pg_inherits
  union
  select ancestor.relid, inherits.inhparent
  from ancestor
  join pg_inherits inherits on inherits.inhrelid = ancestor.parent
)
select
  case
    when class.relkind = 'S' then 'UNLOGGED_SEQUENCE'
    when above.logged_parent is not null then 'UNLOGGED_PART'
    else 'UNLOGGED_TABLE'
  end as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  above.logged_parent as detail,
  case
    when class.relkind = 'r' and class.oid not in (
      select relation from pg_locks where relation is not null and mode = 'AccessExclusiveLock' and granted
    ) then pg_total_relation_size(class.oid)
  end as size,
  case when class.relkind = 'r' and class.reltuples >= 0 then class.reltuples::bigint end as rows,
  format(
    'alter %s %I.%I set logged;',
    case class.relkind when 'S' then 'sequence' else 'table' end, namespace.nspname, class.relname
  ) as command
from pg_class class
join pg_namespace namespace on namespace.oid = class.relnamespace
cross join lateral (
  select min(format('%I.%I', parent_namespace.nspname, parent.relname)) as logged_parent
  from ancestor
  join pg_class parent on parent.oid = ancestor.parent
  join pg_namespace parent_namespace on parent_namespace.oid = parent.relnamespace
  where ancestor.relid = class.oid and parent.relpersistence = 'p'
) above
where class.relpersistence = 'u'
  and class.relkind in ('r', 'S')
  and not exists (
    select
    from pg_depend
    join pg_class owner on owner.oid = pg_depend.refobjid
    where pg_depend.classid = 'pg_class'::regclass
      and pg_depend.objid = class.oid
      and pg_depend.refclassid = 'pg_class'::regclass
      and pg_depend.deptype in ('a', 'i')
      and class.relkind = 'S'
      and owner.relpersistence = 'u'
  )
order by object
