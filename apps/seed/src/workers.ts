import type { Worker } from '@mobvibe/db';
import type { NamedDataSet } from './options.ts';
import type { Ago } from './scenario.ts';

/** A worker process, as the registry saw it. */
export interface WorkerScenario {
  started: Ago;
  lastSeen: Ago;
  /** Absent: it is still running, or was killed and could not say that it stopped. */
  stopped?: Ago;
}

export const workerId = ({ name }: NamedDataSet, key: string): string => `seed-${name}-${key}`;

/** The worker processes that the attempts of a data set name. */
export function workersOf(dataSet: NamedDataSet, workers: Record<string, WorkerScenario>): Worker[] {
  const at = (ago: Ago) => new Date(dataSet.now.getTime() - ago);
  return Object.entries(workers).map(([key, { started, lastSeen, stopped }], index) => ({
    id: workerId(dataSet, key),
    hostname: `${key}.worker.example.com`,
    pid: 101 + index,
    version: '0.1.0',
    startedAt: at(started),
    lastSeenAt: at(lastSeen),
    stoppedAt: stopped === undefined ? null : at(stopped),
    idleSince: null,
    createdAt: at(started),
    updatedAt: at(stopped ?? lastSeen),
  }));
}
