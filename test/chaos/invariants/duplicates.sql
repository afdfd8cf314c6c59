-- No seq is there twice.
select e.session_id as subject, 'seq ' || e.seq || ' is there ' || count(*) || ' times' as detail
from public.session_events as e
group by e.session_id, e.seq
having count(*) > 1;
