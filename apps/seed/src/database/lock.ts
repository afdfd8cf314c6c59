import type { NamedDataSet } from '../options.ts';

/** The name of the lock that two seeds of the same rows wait for, in whichever way they write them. */
export const lockOf = ({ name }: Pick<NamedDataSet, 'name'>, chunk = 0): string =>
  `mobvibe seed ${name} ${chunk}`;
