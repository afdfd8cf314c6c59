// Prints the hash of a data set, without a database. Run by bulk.test.ts in a process of its own.
import { chunksOf } from '../src/database/bulk/chunks.ts';
import { dataSetOf } from '../src/options.ts';

const { chunks, hash } = chunksOf(dataSetOf({ scale: 'mvp' }));
for await (const _ of chunks);
process.stdout.write(hash());
