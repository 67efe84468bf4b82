-- Digests of the tuples that stand in ranges of a table's pages, dead ones too: what the log carries of each, and none of
-- what it does not, which are the command id, the next version's place and the hint that the inserter committed.
-- Source of the bits: PostgreSQL, src/include/access/htup_details.h: 0x0020 a combined command id; 0x0080 only locked;
-- 0x0100 inserter committed, and with 0x0200 frozen, which alone says aborted; 0x0400 and 0x0800 the same of xmax.
-- Parameters: table text, its name, qualified and quoted; firsts bigint[], blocks; behinds bigint[], the blocks behind.
-- Columns: item bigint, the first block; tuples bigint; digest text; filenode bigint, of the file that was read.
-- Since: PostgreSQL 14. Privilege: superuser, as pageinspect asks for.
select
  span.first as item,
  coalesce(sum(page.tuples), 0)::bigint as tuples,
  coalesce(sum(page.digest), 0)::text as digest,
  pg_relation_filenode(to_regclass(:table))::bigint as filenode
from unnest(cast(:firsts as bigint[]), cast(:behinds as bigint[])) as span (first, behind)
left join lateral (
  select stored.tuples, hashint8extended(stored.digest, block) as digest
  from generate_series(
    span.first,
    least(span.behind, pg_relation_size(to_regclass(:table)) / current_setting('block_size')::bigint) - 1
  ) as block
  cross join lateral (
    select
      count(*) as tuples,
      bit_xor({hash}) as digest
    from (
      select
        t_data,
        t_xmin,
        lp * 65536
        # t_infomask2
        # case
          when t_xmax = 0 and t_bits is null
            then t_infomask & case when t_infomask & 512 = 0 then 65247 else 65503 end
          else hashtext(
            concat_ws(
              ' ',
              t_xmax,
              t_bits,
              t_infomask
              & case when t_infomask & 512 = 0 then 65247 else 65503 end
              & case when t_infomask & 128 = 0 then 65535 else 62463 end
            )
          )
        end as header
      from {pageinspect}.heap_page_items({pageinspect}.get_raw_page(:table, block))
      where t_data is not null
    ) as item
  ) as stored
  where stored.tuples > 0
) as page on true
group by span.first
