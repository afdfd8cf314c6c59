select u.id, u.jobs_used, u.tokens_used
from public.profiles as u
left join public.coding_jobs as j on j.user_id = u.id
group by u.id
having u.jobs_used <> count(*) filter (where j.created_at >= u.usage_period_start)
  or u.tokens_used <> coalesce(
    sum((j.result #>> '{usage,input_tokens}')::bigint + (j.result #>> '{usage,output_tokens}')::bigint)
      filter (where j.completed_at >= u.usage_period_start),
    0
  )
