import { existsSync, readdirSync, statSync } from 'node:fs';
import { chmod, cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import getPort from 'get-port';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { serverAccount } from '../src/account.ts';
import { installedBinaries, usableBinaries } from '../src/binaries.ts';
import { removeSubstitute, removeWidowed, substituteFor } from '../src/layout.ts';
import { layoutOf } from '../src/running.ts';
import { removeData } from '../src/stack.ts';
import { directories, local, processesOn, query, start, stop, until } from './support.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('not root: what root meets (another user for the server) is not tested');

const temporary = directories();
afterAll(() => temporary.remove());

describe('the command', () => {
  test('lets a second start wait for the first', async () => {
    const directory = await temporary.make();
    const port = String(await getPort({ host: '127.0.0.1' }));
    const both = await Promise.all([
      local('start', '--no-api', '--directory', directory, '--port', port).ended,
      local('start', '--no-api', '--directory', directory, '--port', port).ended,
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const second = both.find(({ stderr }) => stderr.includes('already runs'));
    expect(second?.stderr).toContain('waiting up to');
    expect(both.filter(({ stderr }) => stderr.includes('making'))).toHaveLength(1);
  });

  test('leaves nothing when interrupted, and its successor starts', async () => {
    const directory = await temporary.make();
    const interrupted = local('start', '--no-api', '--directory', directory);
    await until('data is being made', () =>
      readdirSync(directory).some((name) => name.startsWith('data.new-')),
    );
    interrupted.kill('SIGINT');
    const { code, stderr } = await interrupted.ended;
    expect([code, stderr]).toEqual([130, expect.stringContaining('error: interrupted\nfix: ')]);
    expect(readdirSync(directory).filter((name) => /new|lock|env/.test(name))).toEqual([]);
    expect(await processesOn(directory)).toEqual([]);

    // Nobody cleans up after this one but its successor.
    const killed = local('start', '--no-api', '--directory', directory);
    await until(
      'a server runs on the unfinished data',
      async () => (await processesOn(directory)).length > 0,
    );
    killed.kill('SIGKILL');
    await until('that server is gone', async () => (await processesOn(directory)).length === 0);
    const { already } = await start(directory, await getPort({ host: '127.0.0.1' }));
    expect(already).toBe(false);
    expect(readdirSync(directory).filter((name) => name.startsWith('data.new-'))).toEqual([]);
  });

  test('ends in two lines where a directory cannot be', async () => {
    const directory = await temporary.make();
    await writeFile(join(directory, 'file'), '');
    const { code, stderr } = await local('start', '--no-api', '--directory', join(directory, 'file', 'below'))
      .ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .* is not a directory\nfix: .*\n$/);
  });

  test.runIf(process.platform === 'linux')('ends in two lines where nothing can be made', async () => {
    const { code, stderr } = await local('start', '--no-api', '--directory', '/proc/x/y').ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: \/proc\/x\/y cannot be made: .*\nfix: .*\n$/);
  });

  test.skipIf(isRoot)('ends in two lines where nothing can be written', async () => {
    const directory = await temporary.make();
    await chmod(directory, 0o500);
    const { code, stderr } = await local('start', '--no-api', '--directory', directory).ended;
    await chmod(directory, 0o700);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .* cannot be used: EACCES.*\nfix: .*\n$/);
  });
});

describe.runIf(isRoot)('as root, where only root can enter', () => {
  const substitutes: string[] = [];
  afterEach(async () => {
    for (const directory of substitutes.splice(0)) await removeSubstitute(directory);
  });

  test('data lies in a substitute, which status names and reset removes', async () => {
    const closed = await temporary.make();
    await chmod(closed, 0o700);
    const directory = join(closed, 'checkout');
    const substitute = substituteFor(directory);
    substitutes.push(directory);
    try {
      const { data, url } = await start(directory, await getPort({ host: '127.0.0.1' }));
      expect(data).toBe(join(substitute, 'postgres'));
      expect(existsSync(join(directory, 'postgres'))).toBe(false);
      expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
      const { stdout } = await local('status', '--directory', directory).ended;
      expect(stdout).toContain(data);

      await stop(directory);
      // What reset does before it starts anew.
      await removeData(layoutOf(directory));
      expect(existsSync(substitute)).toBe(false);
    } finally {
      await stop(directory);
    }
  });

  test('binaries are copied once, run from there, and go when their original goes', async () => {
    const closed = await temporary.make();
    await chmod(closed, 0o700);
    const native = join(closed, 'native');
    // Enough of them to say their version.
    const filter = (source: string) => !source.endsWith('/share');
    await cp(installedBinaries(), native, { recursive: true, verbatimSymlinks: true, filter });
    substitutes.push(native);

    const account = serverAccount();
    const [first, second] = await Promise.all([
      usableBinaries(native, account),
      usableBinaries(native, account),
    ]);
    expect(first.postgres).toBe(join(substituteFor(native), 'native', 'bin', 'postgres'));
    expect(second).toEqual(first);
    expect(readdirSync(substituteFor(native)).sort()).toEqual(['native', 'stands-for']);
    const { mtimeMs } = statSync(first.postgres);
    expect(await usableBinaries(native, account)).toEqual(first);
    expect(statSync(first.postgres).mtimeMs).toBe(mtimeMs);

    await rm(native, { recursive: true });
    await removeWidowed();
    expect(existsSync(substituteFor(native))).toBe(false);
  });
});
