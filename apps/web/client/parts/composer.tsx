import { createOnce, type JobRow, type SessionRow } from '@mobvibe/sync';
import { useRef, useState } from 'preact/hooks';
import { v7 as uuidv7 } from 'uuid';
import { useAccount } from '../state/account.ts';
import { useAction } from '../state/action.ts';
import { Alert } from './alert.tsx';

const OPEN = ['pending', 'active'];
const UNFINISHED = ['pending', 'processing'];

/** Asks the agent for something, and stops it. */
export function Composer({ session, jobs }: { session: SessionRow; jobs: JobRow[] }) {
  const { supabase } = useAccount();
  const [prompt, setPrompt] = useState('');
  // The same until the answer has arrived: asking again after a lost answer asks once.
  const id = useRef(uuidv7());
  const ask = useAction(async () => {
    if (!prompt.trim()) return;
    await createOnce(supabase, 'coding_jobs', {
      ...{ id: id.current, session_id: session.id, prompt: prompt.trim() },
      idempotency_key: id.current,
    });
    id.current = uuidv7();
    setPrompt('');
  });
  const running = jobs.filter(({ status }) => UNFINISHED.includes(status));
  const cancel = useAction(async () => {
    const ids = running.map(({ id }) => id);
    const cancel_requested_at = new Date().toISOString();
    const { error } = await supabase.from('coding_jobs').update({ cancel_requested_at }).in('id', ids);
    if (error) throw error;
  });
  const stopping = running.length > 0 && running.every(({ cancel_requested_at }) => cancel_requested_at);

  if (!OPEN.includes(session.status)) {
    return <p class="muted">This session has ended. Open a new one in the project to go on.</p>;
  }
  return (
    <form
      class="composer"
      aria-label="Ask the agent"
      onSubmit={(event) => {
        event.preventDefault();
        void ask.run();
      }}
    >
      <Alert>{ask.error ?? cancel.error}</Alert>
      <label>
        <span class="visually-hidden">What to build</span>
        <textarea
          name="prompt"
          rows={2}
          maxLength={32_000}
          placeholder={jobs.length === 0 ? 'What shall it build?' : 'What next?'}
          aria-describedby="send-hint"
          dir="auto"
          value={prompt}
          onInput={(event) => setPrompt(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
              event.currentTarget.form?.requestSubmit();
            }
          }}
        />
      </label>
      <div class="row between">
        <span id="send-hint" class="keyboard muted small">
          Ctrl + Enter sends
        </span>
        <span class="row">
          {running.length > 0 && (
            <button
              type="button"
              class="danger"
              aria-disabled={cancel.busy || stopping}
              onClick={() => void (stopping || cancel.run())}
            >
              {stopping ? 'Stopping…' : 'Cancel'}
            </button>
          )}
          <button type="submit" class="primary" aria-disabled={ask.busy || !prompt.trim()}>
            Send
          </button>
        </span>
      </div>
    </form>
  );
}
