-- What the chunks' table takes, dead rows as the server's statistics estimate them.
-- Parameters: none.
-- Columns: chunks bigint; stored_bytes bigint, of all bodies; size_bytes bigint, of the table, its bodies and indexes; dead_rows
--   bigint, of the bodies, each of up to 2 kB; vacuum_at bigint, as many dead rows as make autovacuum begin; autovacuum_on
--   boolean; vacuumed_at timestamptz, or NULL; approximated_by text, the schema whose pgstattuple_approx may be called, or NULL.
-- Since: PostgreSQL 9.5. Privilege: select on hadrian.chunk.
select
  held.chunks, held.stored_bytes, pg_total_relation_size(t.oid) as size_bytes,
  coalesce(seen.n_dead_tup, 0) as dead_rows,
  (coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold'))::bigint
   + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor'))::double precision
   * greatest(bodies.reltuples, 0))::bigint as vacuum_at,
  current_setting('autovacuum')::boolean and coalesce(o.enabled, 'true')::boolean as autovacuum_on,
  greatest(seen.last_vacuum, seen.last_autovacuum) as vacuumed_at,
  (
    select n.nspname::text
    from pg_proc as f
    join pg_namespace as n on n.oid = f.pronamespace
    where f.proname = 'pgstattuple_approx'
      and current_setting('server_version_num')::integer >= 140000 -- from then on it takes the relation of the bodies too
      and has_schema_privilege(n.oid, 'usage') and has_function_privilege(f.oid, 'execute')
    limit 1
  ) as approximated_by
from pg_class as t
join pg_class as bodies on bodies.oid = t.reltoastrelid
left join pg_stat_all_tables as seen on seen.relid = bodies.oid
cross join (select count(*) as chunks, coalesce(sum(octet_length(body)), 0)::bigint as stored_bytes from hadrian.chunk) as held
cross join lateral (
  select
    max(option_value) filter (where option_name = 'autovacuum_enabled') as enabled,
    max(option_value) filter (where option_name = 'autovacuum_vacuum_threshold') as threshold,
    max(option_value) filter (where option_name = 'autovacuum_vacuum_scale_factor') as scale
  from pg_options_to_table(bodies.reloptions)
) as o
where t.oid = 'hadrian.chunk'::regclass
