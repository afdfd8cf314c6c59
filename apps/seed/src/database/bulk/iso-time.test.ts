import { expect, test } from 'vitest';
import { isoTime } from './iso-time.ts';

test('says the same as toISOString, on either side of midnight, of 1970 and of year 9999', () => {
  const edges = [
    '1969-12-31T23:59:59.999Z',
    '2024-02-29T00:00:00Z',
    '2026-01-15T12:00:00.001Z',
    '9999-12-31T23:59:59Z',
  ];
  for (const edge of edges) {
    // 59,999 ms and 23 h 59 min 59.999 s further, and back: every field carries at times.
    for (const step of [-86_399_999, -59_999, -1, 0, 1, 59_999, 3_599_999, 86_399_999]) {
      const time = new Date(Date.parse(edge) + step);
      expect(isoTime(time)).toBe(time.toISOString());
    }
  }
});

test('refuses what is no time', () => {
  expect(() => isoTime(new Date(Number.NaN))).toThrow(RangeError);
});
