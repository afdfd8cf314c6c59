import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Claim } from '../queue/queue.ts';
import type { Outcome } from '../run-job.ts';
import type { UploadCounts } from '../storage/file-store.ts';

/** What one worker counts of itself, in Prometheus terms. Times are in seconds, as Prometheus wants them. */
export interface Metrics {
  registry: Registry;
  claimed(claims: Claim[], milliseconds: number): void;
  jobStarted(): void;
  jobEnded(outcome: Outcome, milliseconds: number): void;
  eventsAppended(count: number): void;
  filesStored(counts: UploadCounts): void;
}

// From a query on loopback to an agent that builds an app.
const QUERY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const WAIT_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800];
const JOB_BUCKETS = [0.1, 1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800];

export function createMetrics(concurrency: number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const places = new Gauge({
    name: 'mobvibe_worker_places',
    help: 'Jobs this worker runs at a time',
    registers,
  });
  places.set(concurrency);
  const running = new Gauge({ name: 'mobvibe_worker_jobs_running', help: 'Jobs that run now', registers });
  const claim = new Histogram({
    name: 'mobvibe_worker_claim_duration_seconds',
    help: 'What a claim took at the database',
    buckets: QUERY_BUCKETS,
    registers,
  });
  const wait = new Histogram({
    name: 'mobvibe_worker_job_wait_seconds',
    help: 'How long a claimed job had been due',
    buckets: WAIT_BUCKETS,
    registers,
  });
  const duration = new Histogram({
    name: 'mobvibe_worker_job_duration_seconds',
    help: 'From the claim of a job to its recorded end',
    labelNames: ['outcome'] as const,
    buckets: JOB_BUCKETS,
    registers,
  });
  const lost = new Counter({
    name: 'mobvibe_worker_lease_losses_total',
    help: 'Attempts whose lease was lost',
    registers,
  });
  const events = new Counter({
    name: 'mobvibe_worker_events_appended_total',
    help: 'Session events appended',
    registers,
  });
  const files = new Counter({
    name: 'mobvibe_worker_files_total',
    help: 'Files uploaded to Storage, removed from it, and passed over because it cannot have them',
    labelNames: ['outcome'] as const,
    registers,
  });
  return {
    registry,
    claimed(claims, milliseconds) {
      claim.observe(milliseconds / 1_000);
      for (const { waitedMs } of claims) wait.observe(Math.max(waitedMs, 0) / 1_000);
    },
    jobStarted: () => running.inc(),
    jobEnded(outcome, milliseconds) {
      running.dec();
      duration.observe({ outcome }, milliseconds / 1_000);
      if (outcome === 'lost') lost.inc();
    },
    eventsAppended: (count) => events.inc(count),
    filesStored(counts) {
      for (const [outcome, count] of Object.entries(counts)) files.inc({ outcome }, count);
    },
  };
}

/** Adds memory, CPU and event loop of this process. */
export function addProcessMetrics({ registry }: Metrics): void {
  collectDefaultMetrics({ register: registry });
}
