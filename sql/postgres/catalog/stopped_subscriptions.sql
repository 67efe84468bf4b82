-- Subscriptions that apply nothing: disabled, or without a worker, which an error ends again and again.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted; detail text; since timestamptz, of the last message
-- from the publisher, where the role may see it; command text, mends it.
-- Since: PostgreSQL 15. Privilege: none.
select
  'SUBSCRIPTION_STOPPED' as subject,
  format('%I', subscription.subname) as object,
  case
    when not subscription.subenabled then 'is disabled'
    else format('has no worker, after %s errors', errors.count)
  end as detail,
  worker.last_msg_receipt_time as since,
  case when not subscription.subenabled then format('alter subscription %I enable;', subscription.subname) end as command
from pg_subscription subscription
left join pg_stat_subscription worker on worker.subid = subscription.oid and worker.relid is null
cross join lateral (
  select coalesce(sum(apply_error_count + sync_error_count), 0) as count
  from pg_stat_subscription_stats
  where pg_stat_subscription_stats.subid = subscription.oid
) errors
where subscription.subdbid = (select oid from pg_database where datname = current_database())
  and (not subscription.subenabled or worker.pid is null)
order by object
