import type { Worker } from '@mobvibe/db';
import type { DataSet } from './options.ts';
import { type Ago, days, minutes, seconds, type WorkerKey } from './scenario.ts';

const scenarios: Record<WorkerKey, { started: Ago; lastSeen: Ago; stopped?: Ago }> = {
  running: { started: days(60), lastSeen: seconds(4) },
  stopped: { started: days(2), lastSeen: seconds(20), stopped: seconds(20) },
  // Killed: it never said that it stopped.
  lost: { started: days(9), lastSeen: days(2) + minutes(28.5) },
};

export const workerId = ({ name }: DataSet, key: WorkerKey): string => `seed-${name}-${key}`;

/** The worker processes that the attempts of a data set name. */
export function workersOf(dataSet: DataSet): Worker[] {
  const at = (ago: Ago) => new Date(dataSet.now.getTime() - ago);
  return Object.entries(scenarios).map(([key, { started, lastSeen, stopped }], index) => ({
    id: workerId(dataSet, key as WorkerKey),
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
