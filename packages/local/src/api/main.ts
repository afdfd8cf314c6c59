// The process that `pnpm local start` leaves in the background: serves the API until it is told to stop.
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { report } from '@mobvibe/cli';
import { writeWhole } from '../files.ts';
import { type ApiRecord, layoutOf, serverUrl } from '../running.ts';
import { startApi } from './api.ts';
import { keptKeys } from './make-keys.ts';

const { values } = parseArgs({
  options: { directory: { type: 'string' }, port: { type: 'string' }, database: { type: 'string' } },
});
const { directory, api: record, keys } = layoutOf(values.directory);
const log = (line: string) => console.error(`${new Date().toISOString()} ${line}`);

try {
  const api = await startApi({
    databaseUrl: serverUrl(Number(values.database)),
    keys: await keptKeys(keys),
    directory,
    port: Number(values.port),
    log,
  });
  const stop = async () => {
    await rm(record, { force: true });
    await api.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  const running: ApiRecord = { pid: process.pid, port: api.port };
  await writeWhole(record, JSON.stringify(running), 0o644);
  log(`a development server, never for production: ${api.url}`);
} catch (error) {
  process.exit(report(error, 'local'));
}
