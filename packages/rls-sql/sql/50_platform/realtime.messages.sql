-- requires: public.coding_sessions
-- Receiving only: clients send nothing on these topics.
drop policy if exists "Users receive the topics of their own" on realtime.messages;
create policy "Users receive the topics of their own" on realtime.messages
  for select to authenticated
  using (
    -- The row's own topic, not only the one that was joined: a session may set that to what it likes.
    extension = 'broadcast'
    and topic = (select realtime.topic())
    and (
      (select realtime.topic()) = 'user:' || (select auth.uid())::text
      or exists (
        select from public.coding_sessions as s
        where s.user_id = (select auth.uid()) and 'session:' || s.id::text = (select realtime.topic())
      )
    )
  );
