import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createFlyClient } from '../../src/sandbox/fly/client.ts';
import { isRefusal, type Machine, openMachine } from '../../src/sandbox/machine/machine.ts';
import { processesMarked, until } from '../support.ts';
import { type FlyServer, startFlyServer } from './fly-server.ts';

// The program that is sent is the real one, and so are its processes and files; only the machine is this one.
let server: FlyServer;
let id: string;
let machine: Machine;
const session = crypto.randomUUID();
const mark = `MOBVIBE_MACHINE=${session}/`;

beforeAll(async () => {
  server = await startFlyServer();
  ({ id } = await client().create({ name: 'one', config: { image: 'node:22' } }));
  await client().wait(id, 'started', 5);
  machine = await open();
});
afterAll(() => server.close());

const client = () =>
  createFlyClient({
    token: server.token,
    app: server.app,
    baseUrl: server.url,
    retryDelayMs: 5,
    pace: { perSecond: 1_000, burst: 100 },
  });
const open = () => openMachine((command, options) => client().exec(id, command, options), session);
const disk = (...path: string[]) => server.disk(id, ...path);

async function refusalOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!isRefusal(error)) throw new Error('not refused', { cause: error });
  return error.message;
}

const run = (command: string, timeoutMs = 10_000) => machine.run(command, { timeoutMs });

describe('a command', () => {
  afterEach(async () => {
    await machine.endProcesses();
    expect(await processesMarked(mark)).toEqual([]);
  });

  it('runs in the project, and gives its output and exit code', async () => {
    expect(await run('pwd; echo err >&2; exit 7')).toEqual({
      output: `${machine.project}\nerr\n`,
      exitCode: 7,
      timedOut: false,
    });
    expect(await run('echo "$HOME"; cat')).toMatchObject({ output: `${machine.home}\n`, exitCode: 0 });
  });

  it('loses the middle of an output that is too long', async () => {
    const { output } = await run('echo first; yes | head -c 1000000; echo last');
    expect(output.length).toBeLessThan(31_000);
    expect(output).toMatch(/^first\n[\s\S]*bytes omitted[\s\S]*\nlast\n$/);
  });

  it('may leave something running, which ends with the sandbox', async () => {
    expect(await run('sleep 300 & setsid -f sleep 300; echo up')).toMatchObject({
      output: 'up\n',
      exitCode: 0,
    });
    expect((await processesMarked(mark)).length).toBeGreaterThanOrEqual(2);
    await machine.endProcesses();
    expect(await processesMarked(mark)).toEqual([]);
  });

  it('is ended with all it started when its time is up, and nothing else is', async () => {
    await run('sleep 300 & echo');
    const other = await processesMarked(mark);
    expect(await run('echo begun; setsid -f sleep 300; sleep 300', 300)).toEqual({
      output: 'begun\n',
      exitCode: null,
      timedOut: true,
    });
    expect(await processesMarked(mark)).toEqual(other);
  });

  it('is ended when the run is aborted', async () => {
    const controller = new AbortController();
    const running = machine.run('touch up; sleep 300', { timeoutMs: 60_000, signal: controller.signal });
    const outcome = expect(running).rejects.toBe('cancelled');
    await until(async () => (await readdir(disk('project'))).includes('up'));
    controller.abort('cancelled');
    await outcome;
    expect(await processesMarked(mark)).toEqual([]);
  });

  it('runs once, however often the API loses the answer or gives up', async () => {
    server.fail('exec', { lostAnswer: true }, { status: 408 }, { lostAnswer: true });
    expect(await run('echo run >> runs; cat runs')).toMatchObject({ output: 'run\n', exitCode: 0 });
  });

  it('that was running when the machine stopped has no exit code', async () => {
    const running = machine.run('touch begun; sleep 300', { timeoutMs: 60_000 });
    await until(async () => (await readdir(disk('project'))).includes('begun'));
    for (const pid of await processesMarked(mark)) process.kill(pid, 'SIGKILL');
    expect(await running).toMatchObject({ exitCode: null, timedOut: false });
  });
});

describe('a file', () => {
  it('is written, read and edited, and its lines are counted', async () => {
    expect(await machine.write('src/App.tsx', 'one\ntwo\nthree\n')).toEqual({
      path: 'src/App.tsx',
      created: true,
      added: 3,
      removed: 0,
    });
    expect(await machine.read('src/App.tsx')).toBe('     1\tone\n     2\ttwo\n     3\tthree');
    expect(await machine.read('src/App.tsx', 2, 1)).toBe(
      '     2\ttwo\n… 1 more lines: read on with offset 3',
    );
    expect(await machine.edit('src/App.tsx', 'two\n', 'two\nand a half\n')).toEqual({
      path: 'src/App.tsx',
      created: false,
      added: 1,
      removed: 0,
    });
    expect(await machine.edit(`${machine.project}/src/App.tsx`, 'e', '$&', true)).toMatchObject({
      added: 2,
      removed: 2,
    });
    expect(await readFile(disk('project', 'src', 'App.tsx'), 'utf8')).toBe(
      'on$&\ntwo\nand a half\nthr$&$&\n',
    );
    expect(await machine.write('src/App.tsx', 'one')).toMatchObject({ created: false, added: 1, removed: 4 });
  });

  it('is changed once, however often the answer is lost', async () => {
    await machine.write('once.txt', 'a');
    server.fail('exec', { lostAnswer: true }, { lostAnswer: true });
    expect(await machine.edit('once.txt', 'a', 'aa')).toMatchObject({ added: 1, removed: 1 });
    expect(await readFile(disk('project', 'once.txt'), 'utf8')).toBe('aa');
    server.fail('exec', { lostAnswer: true });
    expect(await machine.write('new.txt', 'x')).toMatchObject({ created: true });
  });

  it('refuses what makes no sense, in words for the agent', async () => {
    await machine.write('twice.txt', 'a a');
    expect(await refusalOf(machine.edit('twice.txt', 'a', 'b'))).toMatch(/2 matches/);
    expect(await refusalOf(machine.edit('twice.txt', 'c', 'b'))).toMatch(/not found/);
    expect(await refusalOf(machine.edit('twice.txt', 'a', 'a'))).toMatch(/same/);
    expect(await refusalOf(machine.read('missing.txt'))).toMatch(/does not exist/);
    expect(await refusalOf(machine.read('.'))).toMatch(/no file/);
    await writeFile(disk('project', 'image.png'), 'PNG\0');
    expect(await refusalOf(machine.read('image.png'))).toMatch(/not text/);
    expect(await refusalOf(machine.grep({ pattern: '(', mode: 'content' }))).toMatch(/regular expression/);
  });

  it('is found by name and by content', async () => {
    await mkdir(disk('project', 'node_modules', 'x'), { recursive: true });
    await writeFile(disk('project', 'node_modules', 'x', 'a.tsx'), 'needle');
    await machine.write('find/a.tsx', 'const needle = 1;\nother\n');
    await machine.write('find/deep/b.ts', 'NEEDLE\nneedle\n');
    expect(await machine.glob('find', '\\.tsx?$')).toEqual(['find/deep/b.ts', 'find/a.tsx']);
    expect(await machine.glob('find', '^a')).toEqual(['find/a.tsx']);
    const search = { pattern: 'needle', path: 'find' };
    expect(await machine.grep({ ...search, mode: 'files_with_matches' })).toBe('find/a.tsx\nfind/deep/b.ts');
    expect(await machine.grep({ ...search, mode: 'count', ignoreCase: true })).toBe(
      'find/a.tsx:1\nfind/deep/b.ts:2',
    );
    expect(await machine.grep({ ...search, mode: 'content', after: 1, matches: 'tsx$' })).toBe(
      'find/a.tsx:1:const needle = 1;\nfind/a.tsx:2:other',
    );
    expect(await machine.grep({ ...search, path: 'find/a.tsx', mode: 'content' })).toMatch(/a\.tsx:1/);
    expect(await machine.files(1_000)).not.toContainEqual(expect.stringContaining('node_modules'));
  });

  it('is not searched for ever', async () => {
    await machine.write('long.txt', `${'a'.repeat(60)}!`);
    const search = machine.grep({ pattern: '^(a+)+$', path: 'long.txt', mode: 'content' });
    expect(await refusalOf(search)).toMatch(/too long/);
  });
});

describe('outside the project', () => {
  const refusal = /outside the project|leads nowhere/;
  beforeAll(async () => {
    await writeFile(disk('secret'), 'secret');
    await mkdir(disk('project-2'), { recursive: true });
    await symlink(disk(), disk('project', 'link'));
    await symlink('../secret', disk('project', 'relative-link'));
    await symlink(disk('not-yet'), disk('project', 'dangling'));
    await symlink('loop', disk('project', 'loop'));
  });

  it.each([
    ...['/etc/passwd', '../secret', 'find/../../secret', '../project-2/x', 'link/secret', 'relative-link'],
    ...['dangling', 'loop', '  /etc/passwd', 'x\0', '..', '/proc/self/environ', '../epoch'],
  ])('no file is touched: %j', async (path) => {
    expect(await refusalOf(machine.read(path))).toMatch(refusal);
    expect(await refusalOf(machine.write(path, 'x'))).toMatch(refusal);
  });

  it.each(['../secret', 'link/secret'])('nothing is edited or searched: %j', async (path) => {
    expect(await refusalOf(machine.edit(path, 'secret', 'x'))).toMatch(refusal);
    expect(await refusalOf(machine.glob(path))).toMatch(refusal);
    expect(await refusalOf(machine.grep({ pattern: '.', path, mode: 'content' }))).toMatch(refusal);
  });

  it('no search gets by way of a link, and all is as it was', async () => {
    expect(await machine.grep({ pattern: '^secret$', mode: 'content' })).toBe('');
    expect(await readFile(disk('secret'), 'utf8')).toBe('secret');
    expect(await readdir(disk())).not.toContain('not-yet');
  });
});

describe('the transcript', () => {
  it('comes back as it was, in pieces, each written once', async () => {
    const name = crypto.randomUUID();
    expect(await machine.loadTranscript(name)).toBe('');
    const lines = `${'😀ü\n'.repeat(100_000)}end\n`;
    server.fail('exec', { lostAnswer: true });
    await machine.appendTranscript(name, lines);
    await machine.appendTranscript(name, 'more\n');
    expect(await machine.loadTranscript(name)).toBe(`${lines}more\n`);
    expect(await refusalOf(machine.loadTranscript('../../secret'))).toMatch(/no name/);
  });
});

describe('a machine', () => {
  it('that is opened again ends what ran there and refuses its earlier holder', async () => {
    const earlier = machine;
    await earlier.run('sleep 300 & echo', { timeoutMs: 5_000 });
    expect(await processesMarked(mark)).not.toEqual([]);
    machine = await open();
    expect(await processesMarked(mark)).toEqual([]);
    await machine.run('sleep 300 & echo', { timeoutMs: 5_000 });
    const running = await processesMarked(mark);
    for (const call of [
      () => earlier.endProcesses(),
      () => earlier.write('late.txt', 'x'),
      () => earlier.run('touch late.txt', { timeoutMs: 5_000 }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'sandbox_lost', retryable: true });
    }
    expect(await processesMarked(mark)).toEqual(running);
    await machine.endProcesses();
    expect(await machine.files(1_000)).not.toContain('late.txt');
  });

  it('that answers with something else is lost', async () => {
    const broken = openMachine(
      async () => ({ exitCode: 127, stdout: '', stderr: 'node: not found' }),
      session,
    );
    await expect(broken).rejects.toMatchObject({
      code: 'sandbox_lost',
      cause: 'open: exit code 127: node: not found',
    });
  });
});
