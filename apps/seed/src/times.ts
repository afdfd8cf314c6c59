import { type AttemptScenario, lengthOf, minutes, seconds } from './scenario.ts';

export const LEASE = seconds(30);
/** How late the sweep finds what has expired. */
export const SWEEP = seconds(20);
/** From the last event of an attempt to its recorded end. */
const LAST_FLUSH = 80;

/** From the start of an attempt to its recorded end. */
export const lengthOfAttempt = ({ outcome, events }: Pick<AttemptScenario, 'outcome' | 'events'>): number =>
  lengthOf(events) + (outcome === 'expired' ? LEASE + SWEEP : LAST_FLUSH);

/** How long a job waits after that attempt: three quarters of its range, which is halved by jitter. */
export const backoff = (attempt: number): number => Math.min(seconds(2 ** attempt), minutes(5)) * 0.75;
