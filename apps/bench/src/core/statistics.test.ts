import { expect, test } from 'vitest';
import { figuresOf, median, percentile, ratioOf } from './statistics.ts';

const hundred = Array.from({ length: 101 }, (_, index) => 101 - index);

test('a percentile is the sample that so many do not exceed, whatever their order', () => {
  expect(median(hundred)).toBe(51);
  expect(percentile(hundred, 95)).toBe(96);
  expect(percentile(hundred, 99)).toBe(100);
  expect(percentile([7], 95)).toBe(7);
  // Counting from 1, in the order they were given.
  expect(hundred[0]).toBe(101);
});

test('p95 is what 95 of 100 samples reach or better: a long duration, a low throughput', () => {
  const series = { name: 'one', rounds: [hundred.slice(0, 50), hundred.slice(50)] };
  expect(figuresOf(series, 'low')).toEqual({ samples: 101, p50: 51, p95: 96, p99: 100 });
  expect(figuresOf(series, 'high')).toEqual({ samples: 101, p50: 51, p95: 6, p99: 2 });
});

test('a ratio is that of the medians, its spread that of the rounds', () => {
  const slow = { name: 'slow', rounds: [[2], [4], [6], [80], [2]] };
  const fast = { name: 'fast', rounds: [[1], [2], [2], [40], [1]] };
  const { ratio, spread } = ratioOf(slow, fast);
  expect(ratio).toBe(2);
  // 2, 2, 3, 2, 2 in the rounds: neither the third nor the fourth, in which the machine was busy, stands out.
  expect(spread).toEqual({ low: 2, high: 2 });
});
