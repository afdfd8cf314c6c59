import { expect, test } from 'vitest';
import { interleave, throughput, timed } from './interleave.ts';

const recorder = (order: string[]) => (name: string) => ({
  name,
  slice: async () => {
    order.push(name);
    return [order.length];
  },
});

test('contenders run in turn, and none is always the first', async () => {
  const order: string[] = [];
  const series = await interleave(['A', 'B', 'C'].map(recorder(order)), { rounds: 3, warmup: 0 });
  expect(order.join('')).toBe('ABCBCACAB');
  expect(series).toEqual([
    { name: 'A', rounds: [[1], [6], [8]] },
    { name: 'B', rounds: [[2], [4], [9]] },
    { name: 'C', rounds: [[3], [5], [7]] },
  ]);
});

test('of the rounds that warm up nothing is kept', async () => {
  const order: string[] = [];
  const series = await interleave(['A', 'B'].map(recorder(order)), { rounds: 2, warmup: 3 });
  expect(order.join('')).toBe('ABBAABBAAB');
  expect(series[0]).toEqual({ name: 'A', rounds: [[8], [9]] });
});

test('an abort ends it before the next turn', async () => {
  const controller = new AbortController();
  const order: string[] = [];
  const [a, b] = ['A', 'B'].map(recorder(order));
  const aborting = {
    name: 'B',
    slice: async () => {
      controller.abort(new Error('enough'));
      return b?.slice() ?? [];
    },
  };
  await expect(
    interleave([a as typeof aborting, aborting], { rounds: 5, warmup: 0, signal: controller.signal }),
  ).rejects.toThrow('enough');
  expect(order.join('')).toBe('AB');
});

test('timed runs one after another, throughput so many at a time, both as often as asked', async () => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const operation = async () => {
    runs++;
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  const samples = await timed(5, operation);
  expect([samples.length, most, runs]).toEqual([5, 1, 5]);
  expect(samples.every((sample) => sample > 0)).toBe(true);

  const [rate, ...none] = await throughput(9, 4, operation);
  expect([none.length, most, runs]).toEqual([0, 4, 14]);
  expect(rate).toBeGreaterThan(0);
});
