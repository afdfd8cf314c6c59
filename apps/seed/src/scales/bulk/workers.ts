import { type Ago, days, seconds } from '../../scenario.ts';
import type { WorkerScenario } from '../../workers.ts';

/** How long a worker runs until the next deploy replaces it; it has a day then for the jobs that it holds. */
const GENERATION = days(30);

/** The worker that ran then. */
export const workerAt = (ago: Ago): string => `g${Math.floor(ago / GENERATION)}`;

/** A worker for each time within the span. */
export function generationsOf(span: number): Record<string, WorkerScenario> {
  const count = Math.ceil(span / GENERATION) + 1;
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => {
      const started = GENERATION * (index + 1) + days(1);
      if (index === 0) return ['g0', { started, lastSeen: seconds(4) }];
      const stopped = GENERATION * index - days(1);
      return [`g${index}`, { started, lastSeen: stopped, stopped }];
    }),
  );
}
