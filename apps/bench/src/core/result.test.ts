import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { groupOf, ratioCheck } from './group.ts';
import { machine } from './machine.ts';
import { missed, type Result, resultSchema } from './result.ts';
import { showResult } from './show.ts';
import { writeResult } from './write.ts';

const fast = { name: 'fast', rounds: [[1, 1.1, 1.2], [1.1]] };
const slow = { name: 'slow', rounds: [[2.2, 2.3, 2.1], [2.2004]] };

const result: Result = {
  benchmark: 'sample',
  date: '2026-01-15T12:00:00.000Z',
  options: { quick: false, rounds: 2 },
  machine: machine(),
  postgres: { version: '17.10', settings: { fsync: 'on' } },
  rows: { projects: 10 },
  groups: [
    groupOf('reading', 'ms', [slow, fast], [ratioCheck(slow, fast, { atMost: 1.5 }), ratioCheck(fast, slow)]),
    groupOf('writing', 'per second', [fast], [ratioCheck(slow, fast, { atLeast: 1.9 })]),
  ],
};

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mobvibe-bench-'));
});
afterAll(() => rm(directory, { recursive: true }));

test('a check says whether its target is met, and nothing without one', () => {
  const [reading, writing] = result.groups;
  expect(reading?.checks).toEqual([
    {
      what: 'slow / fast',
      value: 2,
      unit: '×',
      spread: { low: 2, high: 2 },
      target: { atMost: 1.5 },
      met: false,
    },
    { what: 'fast / slow', value: 0.5, unit: '×', spread: { low: 0.5, high: 0.5 } },
  ]);
  expect(writing?.checks[0]?.met).toBe(true);
  expect(missed(result).map(({ title, check }) => `${title}: ${check.what}`)).toEqual([
    'reading: slow / fast',
  ]);
});

test('the files hold the result and a chart of it, and say nothing of whose machine it was', async () => {
  const paths = await writeResult(directory, { ...result, hostname: 'somewhere' } as Result);
  expect(paths).toEqual([join(directory, 'sample.json'), join(directory, 'sample.svg')]);
  const [json, svg] = await Promise.all(paths.map((path) => readFile(path, 'utf8')));

  const written = JSON.parse(json ?? '');
  expect(resultSchema.parse(written)).toEqual(result);
  expect(written).not.toHaveProperty('hostname');

  expect(svg).toMatch(/^<svg .*>\n<title>Benchmark sample: /);
  expect(svg).not.toContain('<style');
  for (const text of ['reading (ms)', 'writing (per second)', 'slow', 'fast', 'p50', 'p95'])
    expect(svg).toContain(text);
});

test('the schema refuses a result without contenders', () => {
  const [group] = result.groups;
  expect(resultSchema.safeParse({ ...result, groups: [{ ...group, contenders: [] }] }).success).toBe(false);
  expect(resultSchema.safeParse({ ...result, groups: [] }).success).toBe(false);
});

test('the table names the target next to the ratio, and the mark', () => {
  const lines = showResult(result).split('\n');
  expect(lines.find((line) => line.includes('slow / fast'))).toMatch(/2\.00 ×.*≤ 1\.5 ×.*✗ missed/);
  expect(lines.find((line) => line.includes('≥ 1.9'))).toMatch(/✓ met/);
});
