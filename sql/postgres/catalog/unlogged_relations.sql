-- Tables and sequences whose content is not in the log. Indexes and TOAST tables follow their table, and a sequence
-- that an unlogged table owns follows it too, so they are left out.
-- Parameters: none.
-- Columns: name text, quoted and qualified; is_sequence boolean; logged_parent text, NULL unless rows of the table are
-- also read through a logged table that it is a partition or an inheritance child of, at any depth.
-- Since: PostgreSQL 10. Privilege: none.
with recursive ancestor(relid, parent) as (
  select inhrelid, inhparent from pg_inherits
  union
  select ancestor.relid, inherits.inhparent
  from ancestor
  join pg_inherits inherits on inherits.inhrelid = ancestor.parent
)
select
  format('%I.%I', namespace.nspname, class.relname) as name,
  class.relkind = 'S' as is_sequence,
  (
    select min(format('%I.%I', parent_namespace.nspname, parent.relname))
    from ancestor
    join pg_class parent on parent.oid = ancestor.parent
    join pg_namespace parent_namespace on parent_namespace.oid = parent.relnamespace
    where ancestor.relid = class.oid and parent.relpersistence = 'p'
  ) as logged_parent
from pg_class class
join pg_namespace namespace on namespace.oid = class.relnamespace
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
order by name
