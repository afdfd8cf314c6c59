import { beQuiet } from '@mobvibe/cli';
import { expect, it } from 'vitest';
import { runChaos } from './run.ts';
import { showReport, showViolations } from './show.ts';

// A smaller dose than that of `pnpm chaos`, which runs for minutes.
const dose = { jobs: 1_000, kills: 8, restarts: 1, workers: 4, seed: 42 };

it('whatever breaks, no job is lost, none applied twice, no event missing', {
  timeout: 300_000,
}, async () => {
  beQuiet();
  const report = await runChaos(dose);
  // With the seed in it: `pnpm chaos --seed …` plans the same again.
  expect(showViolations(report), showReport(report)).toEqual([]);
  expect(report.faults).toMatchObject({ kill: dose.kills, restart: dose.restarts });
  expect(Object.values(report.outcomes).reduce((total, count) => total + count)).toBe(dose.jobs);
  // Otherwise the fence was not needed, and nothing is said about it.
  expect(Object.values(report.refused.workers).length, showReport(report)).toBeGreaterThan(0);
  expect(report.refused.staged).toBeGreaterThan(0);
  // Not one for each attempt: poison jobs share workers, and something else may kill one of those first.
  expect(report.poisoned).toBeGreaterThan(0);
});
