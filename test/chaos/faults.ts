import { setTimeout as sleep } from 'node:timers/promises';
import { connect, describe } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { createQueue } from '../../apps/worker/src/index.ts';
import { isConnectionLost } from '../../apps/worker/src/queue/connection-lost.ts';
import { retryConnection } from '../../apps/worker/src/queue/retry.ts';
import type { Violation } from './check.ts';
import type { Crew } from './crew.ts';
import type { Fault } from './plan.ts';
import type { ChaosServer } from './server.ts';
import { type Hold, holdsOf } from './stale.ts';

export interface FaultsOptions {
  server: ChaosServer;
  crew: Crew;
  leaseMs: number;
  /** A pool as the superuser. */
  admin: pg.Pool;
  /** Told what a worker held when it was struck. */
  onStruck(holds: Hold[]): void;
  onViolation(violation: Violation): void;
}

export interface Faults {
  /** Resolves when the fault is over. What it broke may still be recovering. */
  strike(fault: Fault): Promise<void>;
  close(): Promise<void>;
}

const FILLED_MS = 2_000;
const CUT_MS = 1_000;
const DELAY = { packetMs: 150, forMs: 1_500 };

/** The ways in which things break. */
export function createFaults(options: FaultsOptions): Faults {
  const { server, crew, leaseMs, admin, onStruck, onViolation } = options;
  const longerThanLease = leaseMs * 1.6;
  let snapshot: pg.Client | undefined;
  let overclaims = 0;

  const query = <Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
    retryConnection(
      () => admin.query<Row>(sql, values),
      () => true,
    );

  const note = async (workerId: string) => onStruck(await holdsOf({ query }, workerId));

  const terminateWorkers = () =>
    query(`select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
      where usename = 'mobvibe_worker' and application_name like 'mobvibe-worker%'`);

  async function holdSnapshot(): Promise<void> {
    snapshot = await connect(describe(server.adminUrl));
    await snapshot.query('begin isolation level repeatable read');
    await snapshot.query('select count(*) from public.coding_jobs');
  }

  async function releaseSnapshot(): Promise<void> {
    await snapshot?.end().catch(() => {});
    snapshot = undefined;
  }

  async function fill(): Promise<void> {
    const idle: pg.Client[] = [];
    let isFull = false;
    async function take(): Promise<void> {
      while (!isFull) {
        const client = new pg.Client({ connectionString: server.url });
        client.on('error', () => {});
        await client.connect().then(
          () => idle.push(client),
          (error) => {
            if (!isConnectionLost(error)) throw error;
            isFull = true;
          },
        );
      }
    }
    await terminateWorkers();
    await Promise.all(Array.from({ length: 8 }, take));
    // Those that workers took meanwhile.
    await terminateWorkers();
    await sleep(FILLED_MS);
    await Promise.all(idle.map((client) => client.end().catch(() => {})));
  }

  async function overclaim(limit: number): Promise<void> {
    const pool = new pg.Pool({ connectionString: loginUrl('mobvibe_worker', { url: server.url }), max: 1 });
    pool.on('error', () => {});
    const workerId = `overclaim-${++overclaims}`;
    try {
      const queue = createQueue(pool, workerId, leaseMs * 3);
      const claims = await queue.claim(limit);
      if (claims.length > limit) {
        const detail = `claimed ${claims.length} jobs, where ${limit} were asked for`;
        onViolation({ invariant: 'overclaim', subject: workerId, detail });
      }
      await Promise.all(claims.map((claim) => queue.release(claim)));
    } catch (error) {
      // What it holds comes back when the lease has run out.
      if (!isConnectionLost(error)) throw error;
    } finally {
      await pool.end();
    }
  }

  async function strike(fault: Fault): Promise<void> {
    switch (fault.name) {
      case 'kill':
        return note(await crew.kill(fault.worker));
      case 'freeze':
        return crew.freeze(fault.worker, longerThanLease, note);
      case 'shutdown':
        return crew.shutdown(fault.worker);
      case 'restart': {
        const isHeld = snapshot !== undefined;
        await server.restart(fault.mode);
        if (!isHeld) return;
        await releaseSnapshot();
        return holdSnapshot();
      }
      case 'terminate':
        await terminateWorkers();
        return;
      case 'cut': {
        const route = crew.routeOf(fault.worker);
        route.down();
        await sleep(CUT_MS);
        return route.up();
      }
      case 'silence':
        return crew.routeOf(fault.worker).silence();
      case 'delay': {
        const route = crew.routeOf(fault.worker);
        route.delay(DELAY.packetMs);
        await sleep(DELAY.forMs);
        return route.delay(0);
      }
      case 'fill':
        return fill();
      case 'hold_snapshot':
        return holdSnapshot();
      case 'release_snapshot':
        return releaseSnapshot();
      case 'overclaim':
        return overclaim(fault.limit);
    }
  }

  return { strike, close: releaseSnapshot };
}
