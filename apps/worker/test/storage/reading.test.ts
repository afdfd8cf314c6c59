import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFlySandboxes } from '../../src/sandbox/fly/fly.ts';
import { openLocalSandboxes } from '../../src/sandbox/local.ts';
import { type Exec, openMachine } from '../../src/sandbox/machine/machine.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { type FlyServer, startFlyServer } from '../sandbox/fly-server.ts';

const session = () => ({
  id: crypto.randomUUID(),
  userId: crypto.randomUUID(),
  projectId: crypto.randomUUID(),
  sandboxId: null,
});
const hashOf = (content: Buffer | string) => createHash('sha256').update(content).digest('base64url');
const MOST = 5_000_000;

let data: string;
let server: FlyServer;
beforeEach(async () => {
  data = await realpath(await mkdtemp(join(tmpdir(), 'worker-test-')));
  server = await startFlyServer();
});
afterEach(async () => {
  await server.close();
  await rm(data, { recursive: true });
});

/** A sandbox, and where its project is on this machine. */
const KINDS: Record<string, () => Promise<{ sandbox: Sandbox; project: string }>> = {
  'on this machine': async () => {
    const sandbox = await (await openLocalSandboxes(data)).open(session());
    return { sandbox, project: sandbox.project };
  },
  'on Fly': async () => {
    const sandbox = await openFlySandboxes({
      token: server.token,
      app: server.app,
      baseUrl: server.url,
      retryDelayMs: 5,
      pace: { perSecond: 1_000, burst: 100 },
    }).open(session());
    return { sandbox, project: server.disk(sandbox.id.slice('fly:'.length), 'project') };
  },
};

async function read(sandbox: Sandbox, paths: string[], most = MOST) {
  const found: [string, string | undefined][] = [];
  for await (const { path, content } of sandbox.read(paths, most)) {
    found.push([path, content && hashOf(content)]);
  }
  return found;
}

describe.each(Object.entries(KINDS))('the files of a sandbox %s', (_, open) => {
  it('are read as they are, whatever their size, in the order that was asked for', async () => {
    const { sandbox, project } = await open();
    const page = 1024 * 1024;
    const contents = {
      'empty.txt': Buffer.alloc(0),
      'App.tsx': Buffer.from('export default 1;'),
      'assets/a.bin': randomBytes(2 * page + 17),
      'assets/page.bin': randomBytes(page),
      'ü/日本.txt': Buffer.from('ü'),
      'last.txt': Buffer.from('last'),
    };
    for (const [path, content] of Object.entries(contents)) {
      await mkdir(dirname(join(project, path)), { recursive: true });
      await writeFile(join(project, path), content);
    }
    await mkdir(join(project, 'node_modules'));
    await writeFile(join(project, 'node_modules', 'x.js'), 'x');

    const expected = Object.entries(contents).map(([path, content]) => [path, hashOf(content)]);
    expect(await read(sandbox, Object.keys(contents))).toEqual(expected);
    const reversed = Object.keys(contents).reverse();
    expect(await read(sandbox, reversed)).toEqual([...expected].reverse());

    const prints = await sandbox.fingerprints(MOST);
    expect(prints.map(({ path }) => path).sort()).toEqual(await sandbox.files());
    expect(new Map(prints.map(({ path, hash }) => [path, hash]))).toEqual(
      new Map(expected as [string, string][]),
    );
    expect(prints.find(({ path }) => path === 'assets/a.bin')?.size).toBe(2 * page + 17);
  });

  it('are not read where they are too large, and have no hash', async () => {
    const { sandbox, project } = await open();
    await writeFile(join(project, 'large'), 'x'.repeat(11));
    await writeFile(join(project, 'small'), 'x'.repeat(10));
    expect(await read(sandbox, ['large', 'small'], 10)).toEqual([
      ['large', undefined],
      ['small', hashOf('x'.repeat(10))],
    ]);
    const prints = await sandbox.fingerprints(10);
    expect(prints.find(({ path }) => path === 'large')).toEqual({ path: 'large', size: 11 });
  });

  it('are those of the project, wherever a path or a link leads, and no pipe is waited for', async () => {
    const { sandbox, project } = await open();
    await writeFile(join(project, '..', 'secret'), 'secret');
    await writeFile(join(data, 'secret'), 'secret');
    await symlink('../secret', join(project, 'relative'));
    await symlink(join(data, 'secret'), join(project, 'absolute'));
    await symlink(data, join(project, 'directory'));
    await symlink('loop', join(project, 'loop'));
    await promisify(execFile)('mkfifo', [join(project, 'pipe')]);
    await writeFile(join(project, 'App.tsx'), 'app');
    const paths = ['../secret', '/etc/passwd', 'relative', 'absolute', 'directory/secret', 'loop', 'pipe'];
    const elsewhere = [...paths, 'missing', '.', '../../secret', 'App.tsx/x'];
    expect(await read(sandbox, [...elsewhere, 'App.tsx'])).toEqual([
      ...elsewhere.map((path) => [path, undefined]),
      ['App.tsx', hashOf('app')],
    ]);
    expect(await sandbox.fingerprints(MOST)).toEqual([{ path: 'App.tsx', size: 3, hash: hashOf('app') }]);
  });
});

it('many files of a machine take few calls', async () => {
  const { sandbox, project } = await (KINDS['on Fly'] as () => ReturnType<(typeof KINDS)[string]>)();
  const paths = Array.from({ length: 100 }, (_, index) => `${index}.txt`);
  for (const path of paths) await writeFile(join(project, path), path);
  const before = server.count('exec');
  expect(await read(sandbox, paths)).toHaveLength(100);
  expect(server.count('exec') - before).toBe(1);
});

describe('a machine that answers what it likes', () => {
  const lying =
    (value: object): Exec =>
    async (_, { stdin }) => {
      const isOpen = JSON.parse(stdin).operation === 'open';
      const answer = isOpen ? { project: '/p', home: '/h' } : value;
      return { exitCode: 0, stdout: JSON.stringify({ value: answer }), stderr: '' };
    };
  const gzip = (bytes: Buffer) => gzipSync(bytes).toString('base64');
  const fetchAll = async (value: object) => {
    const machine = await openMachine(lying(value), crypto.randomUUID());
    let size = 0;
    for await (const { content } of machine.fetch(['a'], 3_000_000)) size += content?.length ?? 0;
    return size;
  };

  it.each([
    [
      'nothing for ever',
      { pieces: [{ length: 0, ends: false, isThere: true }], gzip: gzip(Buffer.alloc(0)) },
    ],
    ['no piece', { pieces: [], gzip: gzip(Buffer.alloc(0)) }],
    [
      'a file without an end',
      { pieces: [{ length: 1_000_000, ends: false, isThere: true }], gzip: gzip(Buffer.alloc(1_000_000)) },
    ],
    [
      'far more than was asked for',
      { pieces: [{ length: 1, ends: true, isThere: true }], gzip: gzip(Buffer.alloc(100_000_000)) },
    ],
    [
      'a file too many',
      { pieces: Array(2).fill({ length: 1, ends: true, isThere: true }), gzip: gzip(Buffer.alloc(2)) },
    ],
  ])('%s, does not keep us', async (_, value) => {
    await expect(fetchAll(value)).rejects.toThrow();
  });
});
