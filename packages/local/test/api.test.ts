import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@supabase/supabase-js';
import getPort from 'get-port';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { postgrestBinary, refuseOther } from '../src/api/rest/binary.ts';
import { layoutOf, quickAnswer, runningApi, runningServer } from '../src/running.ts';
import { resetStack, startStack } from '../src/stack.ts';
import { directories, listening, local, occupy, pidIn, processes, query, stop, until } from './support.ts';

const temporary = directories();
afterAll(() => temporary.remove());

// Each start takes seconds on a busy machine.
describe('the API of a background server', { timeout: 90_000 }, async () => {
  const directory = await temporary.make();
  const layout = layoutOf(directory);
  const port = await getPort({ host: '127.0.0.1' });
  const apiPort = await getPort({ host: '127.0.0.1' });
  const start = async (options = {}) => {
    const progress = listening();
    const started = await startStack({ directory, port, api: true, apiPort, progress, ...options });
    return { ...started, heard: progress.heard };
  };
  const variables = () =>
    Object.fromEntries(
      readFileSync(layout.environment, 'utf8')
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    ) as Record<string, string>;
  const log = () => readFileSync(layout.apiLog, 'utf8').trim().split('\n');
  const tables = (key = variables().SUPABASE_SECRET_KEY) =>
    fetch(`http://127.0.0.1:${apiPort}/rest/v1/things?select=id`, { headers: { apikey: key ?? '' } });
  // The program under the shell that watches it, under this API.
  const postgrest = async () => {
    const all = await processes();
    const shells = all.filter(({ parent }) => parent === runningApi(layout)?.pid).map(({ pid }) => pid);
    return all.find(({ parent, command }) => shells.includes(parent) && /postgrest *$/.test(command))?.pid;
  };

  test('starts with it, says where, and gives the keys to programs', async () => {
    const { url, api, already } = await start();
    expect({ already, port: api?.port }).toEqual({ already: false, port: apiPort });
    expect(variables()).toMatchObject({
      DATABASE_URL: url,
      SUPABASE_URL: `http://127.0.0.1:${apiPort}`,
      SUPABASE_ANON_KEY: expect.stringMatching(/^eyJ/),
      SUPABASE_SERVICE_ROLE_KEY: expect.stringMatching(/^eyJ/),
      SUPABASE_PUBLISHABLE_KEY: expect.stringMatching(/^sb_publishable_/),
      SUPABASE_SECRET_KEY: expect.stringMatching(/^sb_secret_/),
    });
    expect(statSync(layout.keys).mode & 0o777).toBe(0o600);
    expect(log()).toEqual([expect.stringContaining('a development server, never for production')]);
    expect(quickAnswer(['start'], layout)).toContain(`API: http://127.0.0.1:${apiPort}`);
    expect(await start()).toMatchObject({ already: true });
    const status = await local('status', '--json', '--directory', directory).ended;
    expect(JSON.parse(status.stdout)).toMatchObject({
      api: api?.url,
      secretKey: variables().SUPABASE_SECRET_KEY,
    });
  });

  test.runIf(process.platform === 'linux')('listens on loopback only', () => {
    const sockets = readFileSync('/proc/net/tcp', 'utf8');
    const hex = apiPort.toString(16).toUpperCase().padStart(4, '0');
    const listeners = sockets
      .split('\n')
      .filter((line) => line.includes(`:${hex} `) && line.includes(' 0A '));
    expect(listeners.map((line) => line.trim().split(/\s+/)[1])).toEqual([`0100007F:${hex}`]);
  });

  test('knows a table as soon as it is made', async () => {
    expect((await tables()).status).toBe(404);
    await query(
      variables().DATABASE_URL as string,
      'create table things (id int); grant select on things to service_role',
    );
    await until('PostgREST has seen the table', async () => (await tables()).status === 200);
  });

  test('restarts PostgREST when that is killed, with one line', async () => {
    const before = log().length;
    const pid = await until('PostgREST runs', postgrest);
    process.kill(pid, 'SIGKILL');
    // At once, or refused as something to try again.
    await until('the API answers', async () => (await tables()).status === 200);
    expect(await postgrest()).not.toBe(pid);
    expect(log().slice(before)).toEqual([
      expect.stringMatching(/PostgREST was killed: restarted in \d+ ms$/),
    ]);
  });

  test('is found dead when it was killed, with its PostgREST; clients go on with the one that is started', async () => {
    const before = variables();
    const client = createClient(before.SUPABASE_URL as string, before.SUPABASE_PUBLISHABLE_KEY as string, {
      realtime: { transport: WebSocket as never },
    });
    const { data } = await client.auth.signUp({ email: 'ann@example.com', password: 'correct horse' });
    const under = await until('PostgREST runs', postgrest);
    process.kill(runningApi(layout)?.pid as number, 'SIGKILL');
    await until('PostgREST has gone too', async () => !(await processes()).some(({ pid }) => pid === under));
    expect(runningApi(layout)).toBeUndefined();
    expect(quickAnswer(['start'], layout)).toBeUndefined();
    expect(quickAnswer(['start', '--no-api'], layout)).toContain('already runs');
    await expect(tables()).rejects.toThrow('fetch failed');
    expect(await start()).toMatchObject({ already: false });
    expect(variables()).toEqual(before);
    expect((await tables()).status).toBe(200);
    expect((await client.auth.getUser()).data.user?.id).toBe(data.user?.id);
    expect((await client.auth.refreshSession()).error).toBeNull();
    await client.auth.stopAutoRefresh();
  });

  test('is started anew together with a Postgres that was killed', async () => {
    const before = runningApi(layout)?.pid;
    process.kill(pidIn(directory), 'SIGKILL');
    await until('Postgres is gone', () => !runningServer(layout));
    const { already, heard } = await start();
    expect(already).toBe(false);
    expect(heard).toContain('the API ran without its Postgres: stopped');
    expect(runningApi(layout)?.pid).not.toBe(before);
    expect((await tables()).status).toBe(200);
  });

  test('is not started where only Postgres is wanted, and its variables are not there', async () => {
    await stop(directory);
    expect(runningApi(layout)).toBeUndefined();
    expect(await start({ api: false, apiPort: undefined })).toMatchObject({ api: undefined });
    expect(Object.keys(variables())).toEqual(expect.not.arrayContaining(['SUPABASE_URL']));
  });

  test('says when its port is taken; a Postgres that ran goes on, one that was started with it ends', async () => {
    const taken = await occupy(apiPort);
    await expect(start()).rejects.toThrow(`port ${apiPort} is taken`);
    expect(variables().DATABASE_URL).toContain(`:${port}/`);
    expect(variables().SUPABASE_URL).toBeUndefined();

    await stop(directory);
    await expect(start()).rejects.toThrow(`port ${apiPort} is taken`);
    taken?.free();
    expect(runningServer(layout)).toBeUndefined();
    expect(existsSync(layout.environment)).toBe(false);
  });

  test('is refused in production, before anything starts', async () => {
    await stop(directory);
    process.env.NODE_ENV = 'production';
    try {
      await expect(start()).rejects.toMatchObject({
        message: expect.stringContaining('is a development server, and NODE_ENV is production'),
        fix: expect.stringContaining('--no-api'),
      });
      expect(existsSync(layout.environment)).toBe(false);
    } finally {
      process.env.NODE_ENV = 'test';
    }
  });

  test('loses its files at a reset, and keeps port and keys', async () => {
    await start();
    const before = variables();
    const file = join(layout.storage, 'x');
    writeFileSync(file, 'x');
    await resetStack({ directory, api: true, progress: listening() });
    expect(existsSync(file)).toBe(false);
    expect(variables()).toEqual(before);
    expect((await tables()).status).toBe(404);
  });
});

describe('where no PostgREST is packaged', () => {
  const path = process.env.PATH;
  afterEach(() => {
    process.env.PATH = path;
  });

  test('the one in the PATH is taken, or its lack explained', async () => {
    const directory = await temporary.make();
    process.env.PATH = directory;
    await expect(postgrestBinary('darwin-arm64')).rejects.toMatchObject({
      message: expect.stringMatching(
        /none is packaged for darwin-arm64, and there is no postgrest in the PATH$/,
      ),
      fix: expect.stringContaining('--no-api'),
    });
    writeFileSync(join(directory, 'postgrest'), '#!/bin/sh\n', { mode: 0o755 });
    expect(await postgrestBinary('darwin-arm64')).toBe('postgrest');
  });
});

test('a PostgREST that is another than the packaged one is not run', async () => {
  const directory = await temporary.make();
  const file = join(directory, 'postgrest');
  writeFileSync(file, '#!/bin/sh\n');
  await expect(refuseOther(file, '0'.repeat(64))).rejects.toMatchObject({
    message: expect.stringMatching(
      /^.*postgrest is not the PostgREST it should be: its SHA-256 is [0-9a-f]{16}…/,
    ),
    fix: expect.stringContaining('pnpm install --force'),
  });
  await rm(file);
});
