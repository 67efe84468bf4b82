-- Indexes that no query uses, because their build failed or was broken off. One that is being built right now is left
-- out, as far as the role may see it; so is one of a table that somebody has locked exclusively.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted and qualified; size bigint, bytes; command text,
-- mends it.
-- Since: PostgreSQL 12. Privilege: none; pg_read_all_stats tells apart those being built.
with held as (
  select relation from pg_locks where relation is not null and mode = 'AccessExclusiveLock' and granted
)
select
  'INVALID_INDEX' as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  case
    when class.relkind = 'i' and class.oid not in (select relation from held) and pg_index.indrelid not in (select relation from held) then pg_relation_size(class.oid)
  end as size,
  case class.relkind
    when 'i' then format('reindex index concurrently %I.%I;', namespace.nspname, class.relname)
    else format('reindex index %I.%I;', namespace.nspname, class.relname)
  end as command
from pg_index
join pg_class class on class.oid = pg_index.indexrelid
join pg_namespace namespace on namespace.oid = class.relnamespace
where not (pg_index.indisvalid and pg_index.indisready and pg_index.indislive)
  and class.relpersistence <> 't'
  and not exists (select from pg_stat_progress_create_index building where building.index_relid = class.oid)
order by object
