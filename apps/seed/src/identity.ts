import { hash } from 'node:crypto';
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import type { NamedDataSet } from './options.ts';

const NAMESPACE = '5f0c3f3e-6d0a-4c0e-9b53-0d7a3c1be2a4';

/** The id of what `path` names, whatever `now` is: what `--clean` goes by. */
export const stableId = ({ name }: NamedDataSet, path: string): string =>
  uuidv5(`${name}/${path}`, NAMESPACE);

/** The id of what `path` names and was made at that time: a v7 uuid, ordered by time like those of the client. */
export const timeOrderedId = ({ name }: NamedDataSet, path: string, createdAt: Date): string =>
  uuidv7({ msecs: createdAt.getTime(), random: digest(`${name}/${path}`) });

/** Sixteen bytes that depend on nothing but the text. */
export const digest = (text: string): Buffer => hash('sha256', text, 'buffer').subarray(0, 16);
