import { setTimeout as sleep } from 'node:timers/promises';
import type { Phone, PhoneEvent } from './phone.ts';

const POLL_MS = 100;
const FINAL = ['completed', 'failed', 'cancelled'];

/**
 * Shows a session's events to `onEvent` as they arrive, until its job has ended and the last event is shown.
 * Until the Realtime gateway exists, the phone asks again and again for what follows the last seq it knows.
 */
export async function follow(
  phone: Phone,
  sessionId: string,
  jobId: string,
  onEvent: (event: PhoneEvent) => void,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<Phone['job']>>> {
  let seq = 0n;
  for (;;) {
    signal.throwIfAborted();
    // Asked before the events, so that an end that is seen has all its events before it.
    const job = await phone.job(jobId);
    const events = await phone.eventsSince(sessionId, seq);
    for (const event of events) onEvent(event);
    seq = events.at(-1)?.seq ?? seq;
    if (FINAL.includes(job.status) && events.length === 0) return job;
    await sleep(POLL_MS, undefined, { signal });
  }
}
