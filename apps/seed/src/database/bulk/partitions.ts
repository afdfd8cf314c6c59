import { describe, errorCode, oneLine, withConnection } from '@mobvibe/cli';
import type { DataSet } from '../../options.ts';
import { bulkOf } from '../../scales/bulk/bulk.ts';
import { explained } from '../explained.ts';

/** Makes the months that the events of a data set lie in. */
export async function makePartitions(url: string, dataSet: DataSet): Promise<void> {
  const from = new Date(dataSet.now.getTime() - bulkOf(dataSet).span);
  await withConnection(describe(url), async (client) => {
    try {
      await client.query('select private.ensure_event_partitions($1, $2)', [from, dataSet.now]);
    } catch (error) {
      throw explained(error, errorCode(error), oneLine(error));
    }
  });
}
