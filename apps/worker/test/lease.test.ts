import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createLeases, type Leases } from '../src/lease.ts';
import { createLog } from '../src/log.ts';
import type { ClaimedJob, Heartbeat } from '../src/queue/queue.ts';
import { until } from './support.ts';

const LEASE_MS = 150;
const log = createLog({ level: 'silent' });
const job = (id: string): ClaimedJob => ({ id, sessionId: id, prompt: '', attempt: 1, maxAttempts: 3 });
let leases: Leases;
afterEach(() => leases.close());

function keepAlive(answer: (jobId: string) => Omit<Heartbeat, 'jobId'>) {
  const asked: string[][] = [];
  const heartbeat = async (jobs: ClaimedJob[]) => {
    asked.push(jobs.map(({ id }) => id));
    return jobs.map(({ id }) => ({ jobId: id, ...answer(id) }));
  };
  leases = createLeases({ heartbeat }, LEASE_MS, log);
  return asked;
}

describe('leases', () => {
  it('are kept alive together, and only while they are held', async () => {
    const asked = keepAlive(() => ({ held: true, cancel: false }));
    const [first, second] = ['a', 'b'].map((id) => leases.hold(job(id)));
    await until(() => asked.length >= 4);
    expect(asked[0]).toEqual(['a', 'b']);
    expect([first?.signal.aborted, second?.signal.aborted]).toEqual([false, false]);
    if (first) leases.drop(first);
    const before = asked.length;
    await until(() => asked.length > before + 1);
    expect(asked.at(-1)).toEqual(['b']);
  });

  it('stop their job when it is held no more, or is to be cancelled', async () => {
    keepAlive((id) => ({ held: id !== 'lost', cancel: id === 'cancelled' }));
    const lost = leases.hold(job('lost'));
    const cancelled = leases.hold(job('cancelled'));
    await until(() => lost.signal.aborted && cancelled.signal.aborted);
    expect([lost.signal.reason, cancelled.signal.reason]).toEqual(['lease_lost', 'cancelled']);
  });

  it('are renewed soon after a heartbeat that failed', async () => {
    let beats = 0;
    const heartbeat = async (jobs: ClaimedJob[]) => {
      // Two of three: at the usual pace the lease would run out in between.
      if (++beats % 3 !== 0) throw new Error('no connection');
      return jobs.map(({ id }) => ({ jobId: id, held: true, cancel: false }));
    };
    leases = createLeases({ heartbeat }, 600, log);
    const lease = leases.hold(job('a'));
    await until(() => beats >= 9);
    expect(lease.signal.aborted).toBe(false);
  });

  it('count from when the claim was asked for', async () => {
    leases = createLeases({ heartbeat: async () => [] }, 60_000, log);
    const late = leases.hold(job('a'), performance.now() - 60_000);
    const held = leases.hold(job('b'));
    await until(() => late.signal.aborted);
    expect([late.isLost, held.isLost]).toEqual([true, false]);
  });

  it('say that the worker lives, also when it holds nothing', async () => {
    const asked = keepAlive(() => ({ held: true, cancel: false }));
    await until(() => asked.length >= 2);
    expect(asked[0]).toEqual([]);
  });

  it.each([
    ['refuses', () => Promise.reject(new Error('no connection'))],
    ['answers too late', () => sleep(4 * LEASE_MS, [{ jobId: 'a', held: true, cancel: false }])],
  ])(
    'run out here too when the database %s: another worker may hold the job by then',
    async (_, heartbeat) => {
      leases = createLeases({ heartbeat }, LEASE_MS, log);
      const started = performance.now();
      const lease = leases.hold(job('a'));
      await until(() => lease.signal.aborted);
      expect(lease.signal.reason).toBe('lease_lost');
      expect(performance.now() - started).toBeGreaterThan(LEASE_MS - 5);
      expect(performance.now() - started).toBeLessThan(LEASE_MS * 3.5);
    },
  );
});
