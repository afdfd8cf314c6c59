import { Gauge } from 'prom-client';
import type { QueueStats } from '../queue/operations.ts';
import { cached } from './cached.ts';
import type { Metrics } from './metrics.ts';

// Several scrapers, or one that is too eager, cost the database no more than this.
const FRESH_MS = 5_000;

interface Sample {
  name: string;
  help: string;
  label?: string;
  read(stats: QueueStats): Record<string, number>;
}

const SAMPLES: Sample[] = [
  {
    name: 'mobvibe_queue_jobs',
    help: 'Open jobs by status: due, delayed (pending until a later time), processing',
    label: 'status',
    read: ({ due, delayed, processing }) => ({ due, delayed, processing }),
  },
  {
    name: 'mobvibe_queue_failed_last_hour',
    help: 'Jobs that failed for good within the last hour',
    read: ({ failed_last_hour }) => ({ '': failed_last_hour }),
  },
  {
    name: 'mobvibe_queue_oldest_due_seconds',
    help: 'How long the oldest due job has been waiting',
    read: ({ oldest_due_seconds }) => ({ '': oldest_due_seconds }),
  },
  {
    name: 'mobvibe_queue_active_sessions',
    help: 'Sessions that are active',
    read: ({ active_sessions }) => ({ '': active_sessions }),
  },
  {
    name: 'mobvibe_queue_workers',
    help: 'Live workers: idle ones have a free place',
    label: 'state',
    read: ({ live_workers, idle_workers }) => ({ idle: idle_workers, busy: live_workers - idle_workers }),
  },
];

/** Adds gauges of the whole queue, read when they are scraped; absent while the database does not answer. */
export function addQueueGauges({ registry }: Metrics, stats: () => Promise<QueueStats>): void {
  const read = cached(stats, FRESH_MS);
  for (const sample of SAMPLES) {
    new Gauge({
      name: sample.name,
      help: sample.help,
      labelNames: sample.label ? [sample.label] : [],
      registers: [registry],
      async collect() {
        const now = await read().catch(() => undefined);
        this.reset();
        // Without labels, reset makes it 0, and that would be an answer.
        if (!now) return sample.label ? undefined : this.remove();
        for (const [value, number] of Object.entries(sample.read(now))) {
          this.set(sample.label ? { [sample.label]: value } : {}, number);
        }
      },
    });
  }
}
