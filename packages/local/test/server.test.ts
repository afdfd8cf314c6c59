import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { startServer } from '../src/index.ts';
import { layoutOf, runningServer } from '../src/running.ts';
import { directories, occupy, pidIn, processesOn, query, script, until } from './support.ts';

const temporary = directories();
afterAll(() => temporary.remove());

test('a server without a directory leaves nothing', async () => {
  const server = await startServer({ durable: false });
  expect(await query(server.adminUrl, `select current_user, current_setting('fsync') as fsync`)).toEqual([
    { current_user: 'supabase_admin', fsync: 'off' },
  ]);
  const open = new pg.Client(server.url);
  open.on('error', () => {});
  await open.connect();
  await server.stop();
  expect(existsSync(server.directory)).toBe(false);
  expect(await processesOn(server.directory)).toEqual([]);
  await server.stop();
});

test('a server in a directory keeps its data there, alone, until told to remove it', async () => {
  const directory = await temporary.make();
  const first = await startServer({ directory });
  expect(await query(first.adminUrl, 'show fsync')).toEqual([{ fsync: 'on' }]);
  await query(first.url, 'create table kept (id int)');
  await expect(startServer({ directory })).rejects.toThrow('a server already runs');
  await first.stop();

  const port = await occupy();
  if (!port) throw new Error('no free port');
  await expect(startServer({ directory, port: port.port })).rejects.toThrow(`port ${port.port} is taken`);
  port.free();
  const second = await startServer({ directory, port: port.port, durable: false });
  expect(second.port).toBe(port.port);
  expect(await query(second.url, 'select from kept')).toEqual([]);
  expect(readdirSync(directory).sort()).toEqual(['postgres', 'postgres.log', 'server.json']);
  await second.stop({ remove: true });
  expect(existsSync(directory)).toBe(false);
  expect(await processesOn(directory)).toEqual([]);
});

test('a server dies with its process, even when that is killed, and its temporary directory goes too', async () => {
  const owner = script('test/fixtures/server-owner.ts');
  const [line] = await once(owner.stdout as NodeJS.ReadableStream, 'data');
  const directory = String(line).trim();
  const pid = pidIn(directory);
  owner.kill('SIGKILL');
  await owner.ended;
  await until('the server is gone', () => !runningServer(layoutOf(directory)));
  await until('the directory is gone', () => !existsSync(directory));
  await until('its watcher is gone', async () => (await processesOn(directory)).length === 0);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});
