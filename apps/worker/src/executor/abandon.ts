/** How long what was told to stop may take before its place is given to the next job. */
const GRACE_MS = 10_000;

export interface AbandonOptions {
  graceMs?: number | undefined;
  onAbandon?: (() => void) | undefined;
}

/**
 * The outcome of `work`, or, where it does not end within `graceMs` after the signal aborted, a rejection with the
 * signal's reason: what ignores its signal must not hold its place for ever.
 */
export async function orAbandon<T>(
  work: Promise<T>,
  signal: AbortSignal,
  { graceMs = GRACE_MS, onAbandon }: AbandonOptions = {},
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let startTimer = () => {};
  const abandoned = new Promise<never>((_, reject) => {
    startTimer = () => {
      timer = setTimeout(() => {
        onAbandon?.();
        reject(signal.reason);
      }, graceMs);
    };
  });
  if (signal.aborted) startTimer();
  else signal.addEventListener('abort', startTimer, { once: true });
  try {
    return await Promise.race([work, abandoned]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', startTimer);
  }
}
