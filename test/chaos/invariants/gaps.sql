-- The seqs of a session are 1, 2, 3 … up to its last_event_seq.
select s.id as subject,
  count(distinct e.seq) || ' events, from ' || min(e.seq) || ' to ' || max(e.seq) || ', last_event_seq ' ||
    s.last_event_seq as detail
from public.coding_sessions as s
left join public.session_events as e on e.session_id = s.id
group by s.id, s.last_event_seq
having count(distinct e.seq) <> s.last_event_seq
  or coalesce(min(e.seq), 1) <> 1
  or coalesce(max(e.seq), 0) <> s.last_event_seq;
