import { setTimeout as sleep } from 'node:timers/promises';
import { FINAL, type Followed, type FollowedJob } from './followed.ts';
import type { Phone } from './phone.ts';

const POLL_MS = 100;

/**
 * Shows a session's events where there is no API: the database is asked again and again for what follows the last seq.
 */
export async function followPolling(
  phone: Phone,
  { sessionId, jobId, onEvent, signal }: Followed,
): Promise<FollowedJob> {
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
