-- What this node has at each path: the digest of a file's size and of its first 16 MiB.
-- Parameters: paths text[].
-- Columns: path text; digest text, SHA-256 in hexadecimal, NULL where there is no such file; size bigint, bytes.
-- Since: PostgreSQL 11. Privilege: pg_read_server_files, execute on pg_stat_file(text, boolean) and
-- pg_read_binary_file(text, bigint, bigint).
select
  wanted.path,
  case
    when file.isdir is false then encode(
      sha256(convert_to(file.size::text, 'UTF8') || pg_read_binary_file(wanted.path, 0, 16777216)), 'hex'
    )
  end as digest,
  file.size
from unnest(cast(:paths as text[])) wanted(path)
left join lateral pg_stat_file(wanted.path, true) file on true
order by wanted.path
