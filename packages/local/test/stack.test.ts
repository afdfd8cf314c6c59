import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import getPort from 'get-port';
import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { asAccount, serverAccount } from '../src/account.ts';
import { writeRecord } from '../src/layout.ts';
import { layoutOf, quickAnswer, readRecord, runningServer } from '../src/running.ts';
import { resetStack } from '../src/stack.ts';
import { directories, listening, local, occupy, query, start, stop, until } from './support.ts';

// As `pnpm turbo migrate` does; with the API: api.test.ts.
const START = ['start', '--no-api'];

const temporary = directories();
afterAll(() => temporary.remove());

// One directory for all: making the data takes longer than everything else together. Every test leaves it with data,
// and finds it running or stopped.
describe('a background server', async () => {
  const directory = await temporary.make();
  const layout = layoutOf(directory);
  const port = await getPort({ host: '127.0.0.1' });
  const data = () => readRecord(layout)?.data as string;
  const running = async () => (await start(directory)).pid;

  test('starts, and tells programs where it is', async () => {
    const server = await start(directory, port);
    expect(server).toMatchObject({ already: false, port });
    expect(await query(server.url, 'select current_user')).toEqual([{ current_user: 'postgres' }]);
    expect(readFileSync(layout.environment, 'utf8')).toContain(
      `DATABASE_URL=${server.url}\nDIRECT_URL=${server.url}\n`,
    );
    expect(statSync(layout.environment).mode & 0o777).toBe(0o600);
  });

  test('is found running by the next start, on the same port', async () => {
    const pid = await running();
    expect(await start(directory)).toMatchObject({ already: true, pid, port });
    await expect(start(directory, port + 1)).rejects.toThrow(`already runs, on port ${port}`);
  });

  test('is found running without a closer look, when nothing is missing', async () => {
    await running();
    expect(quickAnswer(START, layout)).toContain(
      `already runs: postgresql://postgres:postgres@127.0.0.1:${port}/`,
    );
    expect(quickAnswer(['start'], layout)).toBeUndefined();
    expect(quickAnswer(['start', '--port', '1'], layout)).toBeUndefined();
    expect(quickAnswer(['stop'], layout)).toBeUndefined();

    const record = readRecord(layout);
    if (!record) throw new Error('no record');
    await writeRecord(layout, { ...record, platform: 'of yesterday' });
    expect(quickAnswer(START, layout)).toBeUndefined();
    await writeRecord(layout, { ...record, realtimeUntil: new Date().toISOString().slice(0, 10) });
    expect(quickAnswer(START, layout)).toBeUndefined();
    await start(directory);
    expect(quickAnswer(START, layout)).toContain('already runs');

    await rm(layout.environment);
    expect(quickAnswer(START, layout)).toBeUndefined();
    await stop(directory);
    expect(quickAnswer(START, layout)).toBeUndefined();
  });

  test('has a partition of realtime.messages for weeks ahead', async () => {
    const { url } = await start(directory);
    const [{ until }] = (await query<{ until: Date }>(
      url.replace('postgres:', 'supabase_admin:'),
      `select to_date(max(substring(inhrelid::regclass::text from '\\d.*$')), 'YYYY_MM_DD') as until
        from pg_inherits where inhparent = 'realtime.messages'::regclass`,
    )) as [{ until: Date }];
    expect(until.getTime() - Date.now()).toBeGreaterThan(55 * 86_400_000);
  });

  test('stops, and takes its variables away', async () => {
    const pid = await running();
    expect(await stop(directory)).toBe(true);
    expect(existsSync(layout.environment)).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await stop(directory)).toBe(false);
  });

  test('recovers from being killed, with its data', async () => {
    const { url, pid } = await start(directory);
    await query(url, 'create table survives (id int)');
    process.kill(pid, 'SIGKILL');
    await until('the server is gone', () => !runningServer(layout));
    const again = await start(directory);
    expect(again).toMatchObject({ already: false, port });
    expect(await query(again.url, 'select from survives')).toEqual([]);
  });

  test.runIf(process.platform === 'linux')(
    'ends the busy processes of a killed server, and says so',
    async () => {
      const { url, pid } = await start(directory);
      const busy = new pg.Client(url);
      await busy.connect();
      const ended = busy.query('select count(*) from generate_series(1, 1e12::bigint)').catch(() => 'ended');
      busy.on('error', () => {});
      await until('the query runs', async () => {
        const active = await query(
          url,
          `select from pg_stat_activity where query ~ '^select count' and state = 'active'`,
        );
        return active.length > 0;
      });
      process.kill(pid, 'SIGKILL');
      await until('the server is gone', () => !runningServer(layout));
      const { heard } = await start(directory);
      expect(heard).toContain('waiting up to 15 s for the processes of a killed server to end');
      expect(await ended).toBe('ended');
    },
  );

  test('is not taken for running when its process number went to somebody else', async () => {
    await running();
    const pidFile = readFileSync(join(data(), 'postmaster.pid'), 'utf8');
    await stop(directory);
    // Postgres itself refuses to start while a process of the same user has the number.
    const other = spawn('sleep', ['60'], { ...asAccount(serverAccount()), cwd: '/' });
    try {
      await writeFile(join(data(), 'postmaster.pid'), pidFile.replace(/^\d+/, String(other.pid)));
      expect(runningServer(layout)).toBeUndefined();
      expect(await stop(directory)).toBe(false);
      expect(await start(directory)).toMatchObject({ already: false });
      expect(other.exitCode).toBeNull();
    } finally {
      other.kill();
    }
  });

  test('starts beside what an interrupted start left, and takes that away', async () => {
    await stop(directory);
    await mkdir(join(directory, 'data.new-abcdef', 'data', 'base'), { recursive: true });
    await writeFile(join(directory, 'data.new-abcdef', 'data', 'PG_VERSION'), '17\n');
    await mkdir(join(directory, 'data.old-abcdef', 'data'), { recursive: true });
    await writeFile(layout.record, '');
    expect(await start(directory, port)).toMatchObject({ data: join(directory, 'postgres') });
    expect(readdirSync(directory).filter((name) => name.startsWith('data.'))).toEqual([]);
  });

  test('says why it does not start, in one line from its log', async () => {
    await stop(directory);
    const configuration = join(data(), 'postgresql.conf');
    const content = readFileSync(configuration, 'utf8');
    await writeFile(configuration, `${content}\nmax_wal_senders = many\n`);
    await expect(start(directory)).rejects.toThrow(
      /^Postgres did not start: .*configuration file .* contains errors$/,
    );
    await writeFile(configuration, content);
    await start(directory);
  });

  test('refuses data of another major version, and reset makes it anew', async () => {
    await stop(directory);
    await writeFile(join(data(), 'PG_VERSION'), '16\n');
    await expect(start(directory)).rejects.toMatchObject({
      message: expect.stringMatching(/^Postgres 16 made the data in .*, and this is Postgres 17$/),
      fix: expect.stringContaining('pnpm local reset'),
    });
    const { url, port: kept } = await resetStack({ directory, progress: listening() });
    expect(kept).toBe(port);
    expect(await query(url, `select to_regclass('public.survives') as survives`)).toEqual([
      { survives: null },
    ]);
  });

  test('refuses a port that was asked for and is taken', async () => {
    await stop(directory);
    const taken = await occupy();
    try {
      await expect(start(directory, taken?.port)).rejects.toThrow(`port ${taken?.port} is taken`);
      expect(runningServer(layout)).toBeUndefined();
    } finally {
      taken?.free();
    }
    expect(await start(directory, taken?.port)).toMatchObject({ port: taken?.port });
  });

  test('goes from the usual port, when that is taken, to the next, for good', async () => {
    await stop(directory);
    await writeRecord(layout, { ...readRecord(layout), data: data(), port: 54322 });
    // Or else the local stack of this machine has it.
    const taken = await occupy(54322);
    try {
      const server = await start(directory);
      expect(server.port).toBeGreaterThan(54322);
      expect(server.port % 10).toBe(2);
      expect(server.heard).toContain(
        `port 54322 is taken: this server has ${server.port}, now and at later starts`,
      );
      await stop(directory);
      taken?.free();
      expect(await start(directory)).toMatchObject({ port: server.port });
    } finally {
      taken?.free();
    }
  });

  test('answers status by its exit code, and env by its variables', async () => {
    const status = () => local('status', '--json', '--directory', directory).ended;
    const env = () => local('env', '--directory', directory).ended;
    const { url, port } = await start(directory);
    const [up, variables] = await Promise.all([status(), env()]);
    expect([up.code, JSON.parse(up.stdout)]).toEqual([
      0,
      expect.objectContaining({ state: 'running', url, port }),
    ]);
    expect(variables).toMatchObject({ code: 0, stdout: `DATABASE_URL=${url}\nDIRECT_URL=${url}\n` });

    await stop(directory);
    const [down, none] = await Promise.all([status(), env()]);
    expect([down.code, JSON.parse(down.stdout)]).toEqual([3, expect.objectContaining({ state: 'stopped' })]);
    expect(none).toEqual({
      code: 3,
      stdout: '',
      stderr: 'error: the server does not run\nfix: pnpm local start\n',
    });
  });

  test('leaves alone what has its name but is no data', async () => {
    const taken = await temporary.make();
    await mkdir(join(taken, 'postgres'));
    await writeFile(join(taken, 'postgres', 'notes.txt'), 'mine');
    await expect(start(taken)).rejects.toThrow('is no data directory of Postgres');
    await expect(resetStack({ directory: taken, progress: listening() })).rejects.toThrow(
      'no data directory',
    );
    expect(readdirSync(join(taken, 'postgres'))).toEqual(['notes.txt']);
  });
});
