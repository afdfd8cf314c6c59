import type { AttemptOutcome } from '@mobvibe/db';
import type { Backpressure } from './backpressure.ts';
import type { Lease } from './lease.ts';
import { isConnectionLost } from './queue/connection-lost.ts';
import type { Failure, Queue, SessionRow, SessionUpdate } from './queue/queue.ts';
import { retryConnection } from './queue/retry.ts';

/**
 * What a running job writes. Each write is tried again while its lease may still be held, so that a database that
 * restarts costs a pause and not the agent's work; and none takes effect twice.
 */
export interface JobWrites {
  readSession(): Promise<SessionRow>;
  updateSession(update: SessionUpdate): Promise<void>;
  /** One call at a time: each batch says after which it comes. */
  appendEvents(events: { type: string; payload: object }[]): Promise<void>;
  /** `last`: the event that says so. */
  complete(result: object, last: { type: string; payload: object }): Promise<'completed'>;
  /** `last`: the event that says so. */
  fail(
    failure: Failure,
    last?: { type: string; payload: object },
  ): Promise<'failed' | 'retried' | 'cancelled'>;
  /** `cancelled`: that was asked, and nobody is to begin it again. */
  release(tokens: number): Promise<'released' | 'cancelled'>;
}

export interface JobWritesOptions {
  queue: Queue;
  lease: Lease;
  backpressure: Backpressure;
  onAppended?(events: number): void;
}

const OUTCOMES = { pending: 'retried', cancelled: 'cancelled' } as const;

export function createJobWrites({ queue, lease, backpressure, onAppended }: JobWritesOptions): JobWrites {
  const { job } = lease;
  const retry = <T>(write: () => Promise<T>) => retryConnection(write, () => !lease.isLost);
  let lastSeq: number | undefined;

  /** Ends the attempt. A refusal after a lost answer may mean that the write had taken effect: the record says. */
  async function end<Outcome extends AttemptOutcome>(
    expected: readonly Outcome[],
    write: () => Promise<Outcome>,
  ): Promise<Outcome> {
    let isUncertain = false;
    try {
      return await retry(() =>
        write().catch((error) => {
          isUncertain ||= isConnectionLost(error);
          throw error;
        }),
      );
    } catch (error) {
      if (!isUncertain) throw error;
      const recorded = await queue.endOf(job);
      const outcome = expected.find((candidate) => candidate === recorded);
      if (!outcome) throw error;
      return outcome;
    }
  }

  return {
    async readSession() {
      const session = await retry(() => queue.readSession(job));
      lastSeq = session.lastEventSeq;
      return session;
    },
    updateSession: (update) => retry(() => queue.updateSession(job, update)),
    async appendEvents(events) {
      lastSeq = await backpressure.track(retry(() => queue.appendEvents(job, events, lastSeq)));
      onAppended?.(events.length);
    },
    async complete(result, last) {
      const outcome = await end(['completed'], async () => {
        await queue.complete(job, result, last);
        return 'completed';
      });
      onAppended?.(1);
      return outcome;
    },
    async fail(failure, last) {
      const outcome = await end(['failed', 'retried', 'cancelled'], async () => {
        const status = await queue.fail(job, failure, last);
        return OUTCOMES[status as keyof typeof OUTCOMES] ?? 'failed';
      });
      if (last) onAppended?.(1);
      return outcome;
    },
    release: (tokens) =>
      end(['released', 'cancelled'], async () => {
        await queue.release(job, tokens);
        return 'released';
      }),
  };
}
