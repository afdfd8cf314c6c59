import { useState } from 'preact/hooks';

/** Something a person starts with a button: whether it runs, and what went wrong. */
export function useAction<Args extends unknown[]>(task: (...args: Args) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const run = async (...args: Args) => {
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await task(...args);
    } catch (cause) {
      setError(explain(cause));
    } finally {
      setBusy(false);
    }
  };
  return { run, busy, error };
}

/** What an error of the API says to a person: its message, and its hint. */
function explain(error: unknown): string {
  const { message, hint } = error as { message?: unknown; hint?: unknown };
  if (/fetch|network/i.test(String(message))) return 'The server cannot be reached. Try again.';
  return [message, hint].filter(Boolean).map(sentence).join(' ') || 'Something went wrong. Try again.';
}

const sentence = (text: unknown) => {
  const said = String(text).trim();
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}${/[.!?]$/.test(said) ? '' : '.'}`;
};
