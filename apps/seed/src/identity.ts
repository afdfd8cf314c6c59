import { createHash } from 'node:crypto';
import { base, en, Faker } from '@faker-js/faker';
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import type { DataSet } from './options.ts';

const NAMESPACE = '5f0c3f3e-6d0a-4c0e-9b53-0d7a3c1be2a4';

/** The id of what `path` names, whatever `now` is: what `--clean` goes by. */
export const stableId = ({ name }: DataSet, path: string): string => uuidv5(`${name}/${path}`, NAMESPACE);

/** The id of what `path` names and was made at that time: a v7 uuid, ordered by time like those of the client. */
export const timeOrderedId = ({ name }: DataSet, path: string, createdAt: Date): string =>
  uuidv7({ msecs: createdAt.getTime(), random: digest(`${name}/${path}`) });

/**
 * Random values for what `path` names. Each path has a stream of its own, so that a change in one place leaves
 * every other as it was. Use nothing of it that depends on the clock (faker.date) or on transcendental functions,
 * which differ between versions of V8.
 */
export function randomFor({ name }: DataSet, path: string): Faker {
  const bytes = digest(`random/${name}/${path}`);
  const random = new Faker({ locale: [en, base] });
  random.seed([0, 4, 8, 12].map((offset) => bytes.readUInt32BE(offset)));
  return random;
}

/** Sixteen bytes that depend on nothing but the text. */
export const digest = (text: string): Buffer => createHash('sha256').update(text).digest().subarray(0, 16);
