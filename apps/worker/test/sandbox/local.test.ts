import { execFile, spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadWorkerConfig } from '../../src/config.ts';
import { openLocalSandboxes } from '../../src/sandbox/local.ts';
import { databaseId, openSandboxes } from '../../src/sandbox/open.ts';
import { sessionMark } from '../../src/sandbox/processes.ts';
import { processesMarked, until } from '../support.ts';

let data: string;
beforeEach(async () => {
  data = await realpath(await mkdtemp(join(tmpdir(), 'worker-test-')));
});
afterEach(() => rm(data, { recursive: true }));

const session = () => ({
  id: crypto.randomUUID(),
  userId: crypto.randomUUID(),
  projectId: crypto.randomUUID(),
  sandboxId: null,
});

describe('a sandbox on this machine', () => {
  it('is a directory of the session, listed with the database it belongs to', async () => {
    const one = session();
    const sandboxes = await openLocalSandboxes(data, 'db');
    const { id, project } = await sandboxes.open(one);
    expect(id).toMatch(new RegExp(`^local:${one.id}:[0-9a-f]{8}$`));
    expect(project).toBe(join(data, 'sessions', one.id, 'project'));
    await mkdir(join(data, 'sessions', 'not-a-session'));
    // Whoever opens it later does not make it theirs.
    await (await openLocalSandboxes(data, 'other')).open(one);
    expect(await sandboxes.list()).toEqual([
      { id, sessionId: one.id, createdAt: expect.any(Date), database: 'db' },
    ]);
  });

  it('ends with its files and all that runs in it, and nothing else does', async () => {
    const [one, other] = [session(), session()];
    const sandboxes = await openLocalSandboxes(data);
    const [{ id, project }] = [await sandboxes.open(one), await sandboxes.open(other)];
    const [name = '', value] = sessionMark(one.id).split('=');
    spawn('sh', ['-c', 'sleep 300 & sleep 300'], {
      cwd: project,
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, [name]: value },
    }).unref();
    await until(async () => (await processesMarked(sessionMark(one.id))).length === 3);
    await sandboxes.end(id);
    await sandboxes.end(id);
    expect(await processesMarked(sessionMark(one.id))).toEqual([]);
    expect(await readdir(join(data, 'sessions'))).toEqual([other.id]);
  });

  it('is another one when it was lost, and on another disk: what the first held is not in it', async () => {
    const one = session();
    const sandboxes = await openLocalSandboxes(data);
    const first = await sandboxes.open(one);
    expect((await sandboxes.open(one)).id).toBe(first.id);
    expect((await (await openLocalSandboxes(join(data, 'elsewhere'))).open(one)).id).not.toBe(first.id);
    await rm(join(data, 'sessions', one.id), { recursive: true });
    const second = await sandboxes.open(one);
    expect(second.id).not.toBe(first.id);
    await sandboxes.end(first.id);
    expect(await sandboxes.list()).toMatchObject([{ id: second.id }]);
  });

  it('is the only thing that an id can end', async () => {
    const sandboxes = await openLocalSandboxes(data);
    await writeFile(join(data, 'kept'), '');
    for (const id of ['local:..', 'local:../kept', 'local:', 'local', 'fly:1']) await sandboxes.end(id);
    await access(join(data, 'kept'));
    await access(join(data, 'sessions'));
  });

  it('shows what the agent wrote down of its preview, this machine included, and nothing that leads elsewhere', async () => {
    const { project, preview } = await (await openLocalSandboxes(data)).open(session());
    const file = join(project, '.mobvibe', 'preview.json');
    expect(await preview()).toEqual({});
    await mkdir(join(project, '.mobvibe'));
    const cases: [unknown, object][] = [
      [{ webview_url: 'http://127.0.0.1:8081/' }, { webviewUrl: 'http://127.0.0.1:8081/' }],
      [
        { webview_url: 'http://localhost:8081', eas_update_url: 'https://u.expo.dev/a' },
        { webviewUrl: 'http://localhost:8081/', easUpdateUrl: 'https://u.expo.dev/a' },
      ],
      [{ webview_url: 'http://example.com' }, {}],
      [{ webview_url: 'file:///etc/passwd', eas_update_url: 7 }, {}],
      [{ webview_url: 'https://user:password@example.com' }, {}],
      [{ webview_url: `https://example.com/${'x'.repeat(3_000)}` }, {}],
      [{ webview_url: 'https://example.com/a\0b' }, { webviewUrl: 'https://example.com/a%00b' }],
      [['https://example.com'], {}],
      ['no object', {}],
    ];
    for (const [content, expected] of cases) {
      await writeFile(file, JSON.stringify(content));
      expect(await preview(), JSON.stringify(content)).toEqual(expected);
    }
    await rm(file);
    await promisify(execFile)('mkfifo', [file]);
    expect(await preview()).toEqual({});
    await rm(file);
    await writeFile(join(data, 'elsewhere.json'), '{"webview_url":"https://example.com"}');
    await symlink(join(data, 'elsewhere.json'), file);
    expect(await preview()).toEqual({});
  });
});

describe('which sandboxes there are', () => {
  it('is what the configuration says', async () => {
    const here = await openSandboxes({ dataDirectory: data, fly: undefined }, 'postgresql://x@localhost/a');
    expect((await here.open(session())).id).toMatch(/^local:/);
    const there = await openSandboxes(
      { dataDirectory: data, fly: { token: 't', app: 'a', baseUrl: 'http://127.0.0.1:1' } },
      'postgresql://x@localhost/a',
    );
    await there.end('local:x');
    expect(await readdir(join(data, 'sessions'))).toHaveLength(1);
  });

  it('is a Fly app where the environment names one, and its token', () => {
    for (const name of ['FLY_API_TOKEN', 'FLY_APP_NAME']) vi.stubEnv(name, '');
    expect(loadWorkerConfig().fly).toBeUndefined();
    vi.stubEnv('FLY_API_TOKEN', 'secret');
    expect(() => loadWorkerConfig()).toThrow(/FLY_APP_NAME is missing/);
    vi.stubEnv('FLY_APP_NAME', 'app');
    vi.stubEnv('FLY_PREVIEW_URL', 'https://{machine}.example.com');
    expect(loadWorkerConfig().fly).toMatchObject({
      token: 'secret',
      app: 'app',
      previewUrl: 'https://{machine}.example.com',
    });
    vi.stubEnv('FLY_PREVIEW_URL', 'https://example.com');
    expect(() => loadWorkerConfig()).toThrow(/FLY_PREVIEW_URL: must be a URL with \{machine\}/);
    vi.unstubAllEnvs();
  });

  it('tells databases apart, whoever logs in', () => {
    const ids = ['postgresql://a:x@h:1/d', 'postgresql://b@h:1/d', 'postgresql://a@h:2/d'].map(databaseId);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
  });
});
