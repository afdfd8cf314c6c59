import { describe, expect, it } from 'vitest';
import type { Payloads } from '../../worker/src/events/event.ts';
import { JOB_ERRORS } from '../../worker/src/executor/job-errors.ts';
import { failures } from '../src/content/phrases.ts';
import { generate } from '../src/generate.ts';
import { contentHash } from '../src/hash.ts';
import { SEED_PASSWORD, seededUsers } from '../src/index.ts';
import { DEFAULTS, dataSetOf } from '../src/options.ts';

const hashOf = (options?: Parameters<typeof dataSetOf>[0]) => contentHash(generate(dataSetOf(options)).rows);

describe('the rows of a data set', () => {
  it('are the same everywhere', () => {
    // Changes when the sample data changes, be it by a new version of faker: then put the new one here.
    expect(hashOf()).toBe('sha256:14031e9da9afbd20b0485a1775c0ebc4716320f06761643e0cd0ab7ac769fcbd');
  });

  it('do not depend on time zone, language or clock', () => {
    const { TZ } = process.env;
    const expected = hashOf();
    try {
      for (const zone of ['Asia/Kathmandu', 'America/St_Johns']) {
        process.env.TZ = zone;
        expect(hashOf()).toBe(expected);
      }
    } finally {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    }
  });

  it('depend on the seed and on now', () => {
    const hashes = [hashOf(), hashOf({ seed: 2 }), hashOf({ now: '2026-01-15T12:00:01Z' })];
    expect(new Set(hashes).size).toBe(3);
  });

  it('take now in any zone', () => {
    expect(hashOf({ now: '2026-01-15T17:45:00+05:45' })).toBe(hashOf({ now: DEFAULTS.now }));
  });

  it('name the same users whatever the time is', () => {
    const ids = (now: string) => seededUsers({ now }).map(({ id }) => id);
    expect(ids('2030-06-01T00:00:00Z')).toEqual(ids(DEFAULTS.now));
  });

  it('share nothing with those of another seed', () => {
    const [one, other] = [generate(dataSetOf({ seed: 1 })).rows, generate(dataSetOf({ seed: 2 })).rows];
    const keys = ({ workers, users, identities, projects, sessions, jobs }: typeof one) =>
      [workers, users, identities, projects, sessions, jobs].flat().map(({ id }) => id);
    const emails = ({ users }: typeof one) => users.flatMap(({ email }) => email ?? []);
    expect(new Set(keys(one)).size).toBe(keys(one).length);
    expect(keys(one).filter((id) => keys(other).includes(id))).toEqual([]);
    expect(emails(one).filter((email) => emails(other).includes(email))).toEqual([]);
  });

  it('hold no address outside example.com, and no secret', () => {
    const text = contentHashInput();
    const hosts = [...text.matchAll(/(?:@|https?:\/\/)([\w.-]+)/g)].map(([, host]) => host ?? '');
    expect(hosts.length).toBeGreaterThan(10);
    expect(hosts.filter((host) => !/(^|\.)example\.com$/.test(host))).toEqual([]);
    expect(text).not.toContain(SEED_PASSWORD);
  });
});

it.each([
  [{ scale: 'huge' }, '--scale is not one of: ci, mvp, growth'],
  [{ seed: '1.5' }, '--seed is not a whole number'],
  [{ seed: -1 }, '--seed is not a whole number'],
  [{ now: 'yesterday' }, '--now is not a time'],
  [{ now: '2026-01-15' }, '--now is not a time'],
  [{ users: 0 }, '--users is not a whole number from 1 to 1,000,000'],
  [{ sessions: 'many' }, '--sessions is not a whole number from 0'],
  [{ events: 1.5 }, '--events is not a whole number from 0'],
  [{ events: '' }, '--events is not a whole number from 0'],
  [{ scale: 'ci', users: 5 }, '--scale ci has no size to choose'],
  [{ users: 5, sessions: 10, events: 50_000 }, '50000 --events are too many for 10 --sessions'],
])('%j is refused: %s', (options, problem) => {
  expect(() => dataSetOf(options)).toThrow(problem);
});

it.each([
  [{ users: 50 }, 'mvp-1-50-500-5000'],
  [{ events: 1_000_000 }, 'mvp-1-10000-100000-1000000'],
  [{ users: 10, events: 50 }, 'mvp-1-10-100-50'],
  [{ scale: 'growth', users: 2 }, 'growth-1-2-20-1000'],
  [{ scale: 'mvp', seed: 2, users: 1_000, sessions: 10_000, events: 100_000 }, 'mvp-2'],
])('%j is called %s', (options, name) => {
  expect(dataSetOf(options)).toMatchObject({ name });
});

it('tells what agents do in the events of the worker', () => {
  const usage = {
    input_tokens: 1,
    output_tokens: 1,
    cache_read_input_tokens: 1,
    cache_creation_input_tokens: 1,
  };
  // The compiler holds these to the types of the worker, the test holds the sample data to these.
  const examples: Payloads = {
    status: { status: 'started', attempt: 1 },
    thinking: { text: '' },
    message: { text: '' },
    terminal: { command: '', output: '', exit_code: 0 },
    file_change: { path: '', change: 'created', added: 1, removed: 0 },
    tool_use: { tool: '', input: {} },
    preview_ready: { url: '' },
    error: { code: '', message: '', retryable: true },
    completed: { summary: '', usage, cost_usd: 0, turns: 1, duration_ms: 1 },
  };
  const events = [...generate(dataSetOf()).rows.events, ...generate(dataSetOf({ users: 40 })).rows.events];
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(examples)));
  for (const { type, payload } of events) {
    const { error, ...told } = payload as Record<string, unknown>;
    expect(shapeOf(told), type).toEqual(shapeOf(examples[type]));
    expect(error === undefined || type === 'tool_use', type).toBe(true);
  }
});

const shapeOf = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return typeof value;
  const named = Object.entries(value).filter(([name]) => name !== 'input');
  return Object.fromEntries(named.map(([name, inner]) => [name, shapeOf(inner)]));
};

it('blames failures on what a worker would', () => {
  expect(failures.length).toBeGreaterThan(2);
  for (const { code, message, retryable } of failures)
    expect(JOB_ERRORS[code]).toEqual({ message, retryable });
});

const contentHashInput = (): string =>
  JSON.stringify(generate(dataSetOf()).rows, (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
