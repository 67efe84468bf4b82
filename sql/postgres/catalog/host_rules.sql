-- The rules of pg_hba.conf as they stand in the file, in their order. What a rule's options hold is only told apart: a
-- password may be among them.
-- Parameters: none.
-- Columns: line integer; shown text; digest text, the same for the same rule; refused boolean, whether the server cannot
-- read the line.
-- Since: PostgreSQL 10. Privilege: select on pg_hba_file_rules, and execute on pg_hba_file_rules().
select
  rule.line_number as line,
  concat_ws(
    ' ', rule.type, array_to_string(rule.database, ','), array_to_string(rule.user_name, ','), rule.address,
    rule.netmask, rule.auth_method
  ) as shown,
  -- Through jsonb, since where a rule stands has more columns from PostgreSQL 16 on.
  md5((to_jsonb(rule) - 'line_number' - 'rule_number' - 'file_name')::text) as digest,
  rule.error is not null as refused
from pg_hba_file_rules rule
order by coalesce((to_jsonb(rule) ->> 'rule_number')::int, rule.line_number), rule.line_number
