select s.id, s.last_event_seq, count(e.seq), min(e.seq), max(e.seq)
from public.coding_sessions as s
left join public.session_events as e on e.session_id = s.id
group by s.id
having s.last_event_seq <> count(e.seq)
  or count(e.seq) > 0 and (min(e.seq) <> 1 or max(e.seq) <> count(e.seq))
