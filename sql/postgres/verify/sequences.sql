-- How far each logged sequence has gone on this node.
-- Parameters: none.
-- Columns: object text, quoted and qualified; schema text, quoted; value bigint, NULL if it was never used or is hidden;
-- hidden boolean, whether the role may not see it; step bigint, by which it goes on.
-- Since: PostgreSQL 10. Privilege: usage or select on the sequences.
select
  format('%I.%I', namespace.nspname, class.relname) as object,
  quote_ident(namespace.nspname) as schema,
  case
    when has_sequence_privilege(class.oid, 'select, usage') then pg_sequence_last_value(class.oid)
  end as value,
  not has_sequence_privilege(class.oid, 'select, usage') as hidden,
  pg_sequence.seqincrement as step
from pg_sequence
join pg_class class on class.oid = pg_sequence.seqrelid
join pg_namespace namespace on namespace.oid = class.relnamespace
where class.relpersistence = 'p'
order by object
