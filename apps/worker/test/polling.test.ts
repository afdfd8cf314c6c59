import { expect, it } from 'vitest';
import { createPolling } from '../src/polling.ts';

/** Looks that often, each after the time that the one before asked for. */
async function delays(
  looks: number,
  options: { pollMs: number; nextDueInMs(): Promise<number | undefined> },
) {
  let time = 0;
  const polling = createPolling({ ...options, now: () => time });
  const found: number[] = [];
  for (let look = 0; look < looks; look++) {
    const delay = await polling.next();
    found.push(delay);
    time += delay;
  }
  return { found, polling };
}

it('looks again soon after it found too little, then ever later, up to the poll interval', async () => {
  const { found, polling } = await delays(7, { pollMs: 1_000, nextDueInMs: async () => undefined });
  expect(found).toEqual([100, 100, 200, 400, 800, 1_000, 1_000]);
  polling.restart();
  expect(await polling.next()).toBe(100);
  // However often it is woken in between.
  expect(await polling.next()).toBe(100);
});

it('does not sleep past the time of a job that waits for it, and asks only before it sleeps for long', async () => {
  const answers: (number | undefined)[] = [900.5, 12, undefined];
  const { found } = await delays(7, { pollMs: 60_000, nextDueInMs: async () => answers.shift() });
  expect(found).toEqual([100, 100, 200, 400, 800, 12, 1_612]);
});

it('goes by the interval when that question fails', async () => {
  const { found } = await delays(5, { pollMs: 60_000, nextDueInMs: () => Promise.reject(new Error('gone')) });
  expect(found.at(-1)).toBe(800);
});
