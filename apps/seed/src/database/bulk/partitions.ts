import { errorCode, oneLine } from '@mobvibe/cli';
import type pg from 'pg';
import type { NamedDataSet } from '../../options.ts';
import type { Bulk } from '../../scales/index.ts';
import { explained } from '../explained.ts';

/** Makes the months that the events of a data set lie in. */
export async function makePartitions(
  client: pg.ClientBase,
  { now }: NamedDataSet,
  { span }: Bulk,
): Promise<void> {
  const from = new Date(now.getTime() - span);
  try {
    await client.query('select private.ensure_event_partitions($1, $2)', [from, now]);
  } catch (error) {
    throw explained(error, errorCode(error), oneLine(error));
  }
}
