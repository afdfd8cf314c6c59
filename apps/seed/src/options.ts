import { CommandError } from '@mobvibe/cli';
import { z } from 'zod';
import { type ScaleName, scales } from './scales/index.ts';

/** Which data set: the same options give the same rows, on every machine. */
export interface SeedOptions {
  scale?: ScaleName;
  /** Two seeds give two data sets that can stand side by side. */
  seed?: number;
  /** The moment that the data set takes for the present; its times are relative to it. */
  now?: Date | string;
}

/** A data set that is named completely. */
export interface DataSet {
  scale: ScaleName;
  seed: number;
  now: Date;
  /** Scale and seed, as they stand in ids and addresses: `ci-1`. */
  name: string;
}

export const DEFAULTS = { scale: 'ci', seed: 1, now: '2026-01-15T12:00:00Z' } as const;

const names = Object.keys(scales) as [ScaleName, ...ScaleName[]];

const A_NUMBER = 'a whole number, 0 or more';
const A_TIME = `a time with its zone, such as ${DEFAULTS.now}`;

const schema = z.object({
  scale: z.enum(names, `one of: ${names.join(', ')}`).default(DEFAULTS.scale),
  seed: z.coerce.number(A_NUMBER).int(A_NUMBER).nonnegative(A_NUMBER).default(DEFAULTS.seed),
  now: z
    .union([z.date(A_TIME), z.iso.datetime({ offset: true, error: A_TIME })], A_TIME)
    .default(DEFAULTS.now)
    .transform((now) => new Date(now)),
});

/**
 * The data set that the options name.
 * @throws CommandError saying which option is wrong.
 */
export function dataSetOf(options: { [Key in keyof SeedOptions]: unknown } = {}): DataSet {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CommandError(`--${String(issue?.path[0])} is not ${issue?.message}`, 'pnpm seed --help', {
      exitCode: 2,
    });
  }
  const { scale, seed, now } = parsed.data;
  return { scale, seed, now, name: `${scale}-${seed}` };
}
