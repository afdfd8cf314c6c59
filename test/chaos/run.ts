import { setTimeout as sleep } from 'node:timers/promises';
import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { retryConnection } from '../../apps/worker/src/queue/retry.ts';
import { checkInvariants, collectEvidence, type Evidence, type Violation } from './check.ts';
import { startCrew } from './crew.ts';
import { createFaults } from './faults.ts';
import { startObserver } from './observer.ts';
import { type Dose, type Fault, makePlan } from './plan.ts';
import { openServer, type ServerLog } from './server.ts';
import { type Hold, lostHolds, STALE_WRITES, writeStale } from './stale.ts';
import { createUsers } from './users.ts';

// What is promised, and looked for here: a job is *run* at least once, and again when its worker is lost, so whatever
// an agent does to the world outside may happen twice. What a run writes to the database goes through the fence
// (worker, attempt), and a run that was displaced writes nothing more; so of the effects of a job, those of the run
// that completed it are there exactly once, behind those of runs that were lost before, which each stop where they
// were lost.

export interface RunOptions extends Dose {
  signal?: AbortSignal;
  /** Told now and then how far it is. */
  onProgress?(text: string): void;
}

export interface Report {
  dose: Dose;
  seconds: number;
  /** By status and error code. */
  outcomes: Record<string, number>;
  attempts: number;
  /** Attempts by outcome, as the workers saw them end. */
  seenByWorkers: Record<string, number>;
  faults: Record<Fault['name'], number>;
  /** Workers that poison jobs killed. */
  poisoned: number;
  /** Writes under lost holds, by function: those of workers that did not know, and those made on purpose. */
  refused: { workers: Record<string, number>; staged: number };
  deadlocks: number;
  samples: number;
  /** By invariant. */
  violated: Record<string, number>;
  violations: Violation[];
  evidence?: Evidence;
}

// So short that all of it is over soon, and so long that a worker of a busy machine can keep it.
const LEASE_MS = 1_500;
const CONCURRENCY = 8;
/** So many jobs may wait before users pause. */
const MOST_OPEN = 300;
/** Every job has ended so long after the last of the faults: three attempts, their leases and the waits between. */
const BOUND_MS = 60_000;

/**
 * Runs workers on jobs while everything breaks, and looks for what must never be. Leaves no process and no file.
 * What is planned follows from the seed; what exactly happens also depends on the machine.
 */
export async function runChaos({ signal, onProgress = () => {}, ...dose }: RunOptions): Promise<Report> {
  const started = performance.now();
  const plan = makePlan(dose);
  const violations: Violation[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  const struck: Record<string, number> = {};
  const toldIds: string[] = [];
  let holds: Hold[] = [];
  let staged = 0;

  try {
    const server = await openServer();
    closers.push(() => server.close());
    signal?.throwIfAborted();
    const admin = new pg.Pool({ connectionString: server.adminUrl, max: 2 });
    admin.on('error', () => {});
    closers.push(() => admin.end());
    const query = <Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
      retryConnection(
        () => admin.query<Row>(sql, values),
        () => !signal?.aborted,
      );

    const users = await createUsers(server.url, plan);
    closers.push(() => users.close());
    await makeStatisticsStale(admin);
    const crew = await startCrew({
      url: loginUrl('mobvibe_worker', { url: server.url }),
      size: dose.workers,
      leaseMs: LEASE_MS,
      concurrency: CONCURRENCY,
      directory: server.directory,
    });
    closers.push(() => crew.close());
    const observer = startObserver(server.adminUrl);
    closers.push(() => observer.close());
    const faults = createFaults({
      server,
      crew,
      leaseMs: LEASE_MS,
      admin,
      onStruck: (found) => holds.push(...found),
      onViolation: (violation) => violations.push(violation),
    });
    closers.push(() => faults.close());

    const countOpen = async () => {
      const { rows } = await query<{ open: number }>(
        "select count(*)::integer as open from public.coding_jobs where status in ('pending', 'processing')",
      );
      return rows[0]?.open ?? 0;
    };

    /** Writes as those would who were struck and do not know it. */
    async function tryStaleWrites(): Promise<void> {
      const lost = await lostHolds({ query }, holds);
      holds = holds.filter((hold) => !lost.includes(hold));
      for (const hold of lost) {
        const taken = await retryConnection(
          () => writeStale(admin, hold),
          () => !signal?.aborted,
        );
        staged += STALE_WRITES;
        for (const name of taken) {
          const detail = `${name} of ${hold.workerId} at attempt ${hold.job.attempt} was not refused`;
          violations.push({ invariant: 'stale_write', subject: hold.job.id, detail });
        }
      }
    }

    async function waitUntilOpen(most: number, withinMs: number): Promise<void> {
      const end = performance.now() + withinMs;
      while ((await countOpen()) > most && performance.now() < end) {
        await sleep(100, undefined, { signal });
        await tryStaleWrites();
      }
    }

    for (const [index, step] of plan.steps.entries()) {
      signal?.throwIfAborted();
      const { fault } = step;
      onProgress(
        `${toldIds.length} of ${dose.jobs} jobs, fault ${index + 1} of ${plan.steps.length}: ${fault.name}`,
      );
      await users.act(step);
      toldIds.push(...step.jobs.map(({ id }) => id));
      await sleep(step.pauseMs, undefined, { signal });
      await faults.strike(fault);
      struck[fault.name] = (struck[fault.name] ?? 0) + 1;
      await tryStaleWrites();
      await waitUntilOpen(MOST_OPEN, BOUND_MS);
    }
    onProgress('waiting for the last jobs');
    await waitUntilOpen(0, BOUND_MS);
    await tryStaleWrites();

    await crew.close();
    await observer.close();
    violations.push(...observer.violations);
    for (const detail of crew.ended.crashed)
      violations.push({ invariant: 'crash', subject: 'worker', detail });
    violations.push(...(await checkInvariants(admin, toldIds)));
    const log = await server.readLog();
    return {
      dose,
      seconds: Math.round((performance.now() - started) / 1_000),
      ...(await outcomesOf(admin)),
      seenByWorkers: crew.outcomes,
      faults: struck as Report['faults'],
      poisoned: crew.ended.poisoned,
      refused: { workers: refusedTo(log), staged },
      deadlocks: log.deadlocks,
      samples: observer.samples,
      violated: countBy(violations.map(({ invariant }) => invariant)),
      violations,
      ...(violations.length > 0 && { evidence: await collectEvidence(admin, violations) }),
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** The planner takes the queue for empty, all the time. */
async function makeStatisticsStale(admin: pg.Pool): Promise<void> {
  for (const table of ['coding_jobs', 'coding_sessions', 'profiles']) {
    await admin.query(`alter table public.${table} set (autovacuum_enabled = false)`);
  }
  await admin.query('analyze public.coding_jobs');
}

const refusedTo = ({ refused }: ServerLog) => refused.mobvibe_worker ?? {};

async function outcomesOf(admin: pg.Pool): Promise<Pick<Report, 'outcomes' | 'attempts'>> {
  const { rows } = await admin.query<{ outcome: string; count: number }>(
    `select concat_ws(' ', status, case when status = 'failed' then error_code end) as outcome, count(*)::integer as count
     from public.coding_jobs group by 1 order by 1`,
  );
  const attempts = await admin.query<{ count: number }>(
    'select count(*)::integer as count from private.job_attempts',
  );
  return {
    outcomes: Object.fromEntries(rows.map(({ outcome, count }) => [outcome, count])),
    attempts: attempts.rows[0]?.count ?? 0,
  };
}

function countBy(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
