import { CommandError } from '@mobvibe/cli';
import { z } from 'zod';
import { type Bulk, type ScaleName, type Size, scales } from './scales/index.ts';

/** Which data set: the same options give the same rows, on every machine. */
export interface SeedOptions extends Partial<Size> {
  /** By default ci; mvp where a size is given. */
  scale?: ScaleName;
  /** Two seeds give two data sets that can stand side by side. */
  seed?: number;
  /** The moment that the data set takes for the present; its times are relative to it. */
  now?: Date | string;
}

/** What decides about ids and times. */
export interface NamedDataSet {
  now: Date;
  /** As it stands in ids and addresses: `ci-1`, `mvp-1-50-500-5000`. */
  name: string;
}

/** A data set that is named completely. */
export interface DataSet extends NamedDataSet {
  scale: ScaleName;
  seed: number;
  /** Of a scale that has a size. */
  bulk?: Bulk;
}

export const DEFAULTS = { scale: 'ci', seed: 1, now: '2026-01-15T12:00:00Z' } as const;

/** Sessions hold this many events at most, on average: one user's rows are in memory at a time. */
const EVENTS_A_SESSION = 2_000;
const AT_MOST = { users: 1_000_000, sessions: 10_000_000, events: 1_000_000_000 } satisfies Size;

const names = Object.keys(scales) as [ScaleName, ...ScaleName[]];

const A_NUMBER = 'a whole number, 0 or more';
const A_TIME = `a time with its zone, such as ${DEFAULTS.now}`;

// Not coerced: an empty text would be a 0.
const whole = (low: number, high: number, error: string) =>
  z
    .union([z.number(error), z.string(error).regex(/^\d+$/, error).transform(Number)], error)
    .pipe(z.number(error).int(error).min(low, error).max(high, error));

const count = (low: number, high: number) =>
  whole(low, high, `a whole number from ${low} to ${high.toLocaleString('en')}`).optional();

const schema = z.object({
  scale: z.enum(names, `one of: ${names.join(', ')}`).optional(),
  seed: whole(0, Number.MAX_SAFE_INTEGER, A_NUMBER).default(DEFAULTS.seed),
  now: z
    .union([z.date(A_TIME), z.iso.datetime({ offset: true, error: A_TIME })], A_TIME)
    .default(DEFAULTS.now)
    .transform((now) => new Date(now)),
  users: count(1, AT_MOST.users),
  sessions: count(0, AT_MOST.sessions),
  events: count(0, AT_MOST.events),
});

/**
 * The data set that the options name.
 * @throws CommandError saying which option is wrong.
 */
export function dataSetOf(options: { [Key in keyof SeedOptions]: unknown } = {}): DataSet {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(`--${String(issue?.path[0])} is not ${issue?.message}`);
  }
  const { seed, now, users, sessions, events } = parsed.data;
  const given = { users, sessions, events };
  const isSized = Object.values(given).some((value) => value !== undefined);
  const scale = parsed.data.scale ?? (isSized ? 'mvp' : DEFAULTS.scale);
  const { bulk } = scales[scale];
  if (!bulk) {
    if (isSized) throw wrong(`--scale ${scale} has no size to choose: its users are thought up one by one`);
    return { scale, seed, now, name: `${scale}-${seed}` };
  }
  const size = isSized ? sizeOf(given, bulk.size) : bulk.size;
  const isStandard = Object.values(size).join() === Object.values(bulk.size).join();
  const name = [scale, seed, ...(isStandard ? [] : Object.values(size))].join('-');
  return { scale, seed, now, name, bulk: { ...bulk, size } };
}

/** What is not given keeps its proportion to what is. */
function sizeOf(given: { [Key in keyof Size]: Size[Key] | undefined }, standard: Size): Size {
  const [known] = (['users', 'sessions', 'events'] as const).filter((key) => given[key] !== undefined);
  const scaled = (key: keyof Size, atLeast: number) =>
    given[key] ??
    Math.max(atLeast, Math.floor((standard[key] * (given[known ?? key] ?? 0)) / standard[known ?? key]));
  const size = { users: scaled('users', 1), sessions: scaled('sessions', 0), events: scaled('events', 0) };
  if (size.events > size.sessions * EVENTS_A_SESSION)
    throw wrong(
      `${size.events} --events are too many for ${size.sessions} --sessions: at most ${EVENTS_A_SESSION} each`,
    );
  return size;
}

const wrong = (message: string): CommandError =>
  new CommandError(message, 'pnpm seed --help', { exitCode: 2 });
