import { setTimeout as sleep } from 'node:timers/promises';
import { findProcesses } from '../src/sandbox/processes.ts';

/** The pids of the processes that carry a sandbox's mark, and of their descendants. */
export const processesMarked = findProcesses;

/** Waits for a condition. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('waited in vain');
    await sleep(10);
  }
}
