import { expect, it } from 'vitest';
import { makePlan } from './plan.ts';

const dose = { jobs: 500, kills: 10, restarts: 3, workers: 4, seed: 7 };

it('the same seed plans the same jobs and the same faults, another seed others', () => {
  expect(makePlan(dose)).toEqual(makePlan(dose));
  expect(makePlan({ ...dose, seed: 8 })).not.toEqual(makePlan(dose));
});

it('the dose is what was asked for, with every kind of fault and of job in it', () => {
  const { steps } = makePlan(dose);
  const count = (name: string) => steps.filter(({ fault }) => fault.name === name).length;
  expect([count('kill'), count('restart')]).toEqual([10, 3]);
  expect(new Set(steps.map(({ fault }) => fault.name)).size).toBe(12);
  const jobs = steps.flatMap((step) => step.jobs);
  expect(new Set(jobs.map(({ id }) => id)).size).toBe(500);
  expect(new Set(jobs.map(({ work }) => work.kind)).size).toBe(8);
});
