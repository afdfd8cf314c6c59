import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FlySandboxesOptions, openFlySandboxes } from '../../src/sandbox/fly/fly.ts';
import { processesMarked } from '../support.ts';
import { type FlyServer, startFlyServer } from './fly-server.ts';

let server: FlyServer;
beforeEach(async () => {
  server = await startFlyServer();
});
afterEach(() => server.close());

/** The sandboxes of one worker. */
const worker = (options: Partial<FlySandboxesOptions> = {}) =>
  openFlySandboxes({
    token: server.token,
    app: server.app,
    baseUrl: server.url,
    retryDelayMs: 5,
    pace: { perSecond: 1_000, burst: 100 },
    ...options,
  });

const session = () => ({
  id: crypto.randomUUID(),
  userId: crypto.randomUUID(),
  projectId: crypto.randomUUID(),
  sandboxId: null as string | null,
});

describe('a sandbox on Fly', () => {
  it('is a machine of the session, found again by every worker, with its files', async () => {
    const one = session();
    const first = await worker({ region: 'fra', database: 'db' }).open(one);
    const [machine] = server.machines();
    expect(first.id).toBe(`fly:${machine?.id}`);
    expect(machine).toMatchObject({
      name: `session-${one.id}`,
      config: { metadata: { mobvibe_session: one.id, mobvibe_project: one.projectId } },
    });
    expect(JSON.stringify(machine)).not.toContain(one.userId);
    await first.machine?.write('App.tsx', 'app');

    // By its id where that was stored, by its metadata where it was not.
    for (const sandboxId of [first.id, null]) {
      const sandbox = await worker().open({ ...one, sandboxId });
      expect(sandbox.id).toBe(first.id);
      expect(await sandbox.files()).toEqual(['App.tsx']);
      expect(server.count('list')).toBe(sandboxId ? 1 : 2);
    }
    expect(server.count('create')).toBe(1);

    const other = await worker().open(session());
    expect(other.id).not.toBe(first.id);
    expect(await other.files()).toEqual([]);
  });

  it('does not trust an id that is of another session', async () => {
    const [one, other] = [session(), session()];
    const { id } = await worker().open(one);
    expect((await worker().open({ ...other, sandboxId: id })).id).not.toBe(id);
    expect((await worker().open({ ...other, sandboxId: 'local:x' })).id).not.toBe(id);
    expect(server.machines()).toHaveLength(2);
  });

  it('is one, when two workers open it at once', async () => {
    const one = session();
    const opened = await Promise.allSettled([worker().open(one), worker().open(one), worker().open(one)]);
    expect(opened.filter(({ status }) => status === 'fulfilled')).not.toEqual([]);
    expect(server.machines()).toHaveLength(1);
    expect(server.count('create')).toBeGreaterThan(1);
  });

  it('is one, when the answer that it was made is lost', async () => {
    server.fail('create', { lostAnswer: true });
    const { id } = await worker().open(session());
    expect(server.machines().map((machine) => `fly:${machine.id}`)).toEqual([id]);
  });

  it('is made after all, when the API fails first', async () => {
    server.fail('create', { status: 500 }, { status: 429, retryAfter: '0' });
    server.fail('get', { status: 503 });
    await worker().open(session());
    expect(server.machines()).toHaveLength(1);
  });

  it('outlives a stop of its machine, its files too, also in the middle of a run', async () => {
    const one = session();
    const sandbox = await worker().open(one);
    const id = sandbox.id.slice('fly:'.length);
    await sandbox.machine?.write('App.tsx', 'app');
    await server.crash(id);
    expect(await sandbox.machine?.read('App.tsx')).toContain('app');
    await server.crash(id);
    expect(await (await worker().open({ ...one, sandboxId: sandbox.id })).files()).toEqual(['App.tsx']);
    expect(server.count('start')).toBe(2);
    expect(server.machines()).toHaveLength(1);
  });

  it('is made anew when it was destroyed; a run that was in it fails, and may be tried again', async () => {
    const one = session();
    const sandbox = await worker().open(one);
    await server.vanish(sandbox.id.slice('fly:'.length));
    await expect(sandbox.files()).rejects.toMatchObject({ code: 'sandbox_lost', retryable: true });
    const again = await worker().open({ ...one, sandboxId: sandbox.id });
    expect(again.id).not.toBe(sandbox.id);
    expect(await again.files()).toEqual([]);
  });

  it('says what is wrong: no capacity, no right, no answer', async () => {
    const failure = { status: 422, message: 'could not reserve resource for machine: insufficient CPUs' };
    server.fail('create', failure);
    await expect(worker().open(session())).rejects.toMatchObject({
      code: 'sandbox_unavailable',
      retryable: true,
      cause: { message: expect.stringContaining('insufficient CPUs') },
    });
    expect(server.count('create')).toBe(1);
    await expect(worker({ token: 'other' }).open(session())).rejects.toMatchObject({
      code: 'sandbox_refused',
      retryable: false,
    });
    await server.close();
    const nobody = worker({ retries: 1 }).open(session());
    await expect(nobody).rejects.toMatchObject({ code: 'sandbox_unavailable', retryable: true });
    server = await startFlyServer();
  });

  it('whose machine does not start is given up, so that the next attempt makes another', async () => {
    server.startAfter(Number.POSITIVE_INFINITY);
    const one = session();
    await expect(worker({ startTimeoutMs: 200 }).open(one)).rejects.toMatchObject({
      code: 'sandbox_unavailable',
      retryable: true,
    });
    expect(server.machines()).toEqual([]);
    server.startAfter(50);
    await worker().open(one);
    expect(server.machines()).toHaveLength(1);
  });

  it('is not waited for once nobody wants it', async () => {
    server.startAfter(60_000);
    const controller = new AbortController();
    const opening = worker().open(session(), controller.signal);
    const outcome = expect(opening).rejects.toBe('cancelled');
    await expect.poll(() => server.count('create')).toBe(1);
    controller.abort('cancelled');
    await outcome;
  });

  it('ends with all that runs in it; one that is gone is no error', async () => {
    const one = session();
    const sandboxes = worker({ database: 'db' });
    const sandbox = await sandboxes.open(one);
    await sandbox.machine?.run('sleep 300 & echo', { timeoutMs: 5_000 });
    expect(await sandboxes.list()).toEqual([
      { id: sandbox.id, sessionId: one.id, createdAt: expect.any(Date), database: 'db' },
    ]);
    await sandboxes.end(sandbox.id);
    await sandboxes.end(sandbox.id);
    await sandboxes.end('fly:0000');
    expect(await processesMarked(`MOBVIBE_MACHINE=${one.id}/`)).toEqual([]);
    expect(await sandboxes.list()).toEqual([]);
  });

  it('is told from what else is in the app', async () => {
    const sandboxes = worker();
    await fetch(`${server.url}/v1/apps/${server.app}/machines`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.token}` },
      body: JSON.stringify({ name: 'web', config: { image: 'web' } }),
    });
    expect(server.machines()).toHaveLength(1);
    expect(await sandboxes.list()).toEqual([]);
  });
});

describe('its preview', () => {
  it('is ready once something serves the port, under the address that leads to this machine', async () => {
    const app = createServer((_, response) => response.end('app'));
    const previewPort = await new Promise<number>((resolve) => {
      app.listen(0, '127.0.0.1', () => resolve((app.address() as AddressInfo).port));
    });
    const one = session();
    const sandbox = await worker({ previewPort }).open(one);
    const id = sandbox.id.slice('fly:'.length);
    expect(server.machines()[0]?.config.services).toMatchObject([{ internal_port: previewPort }]);
    expect(await sandbox.preview()).toEqual({
      webviewUrl: `https://${server.app}.fly.dev/?fly-force-instance-id=${id}`,
    });
    const routed = await worker({ previewPort, previewUrl: 'https://{machine}.preview.example.com' }).open(
      one,
    );
    expect(await routed.preview()).toEqual({ webviewUrl: `https://${id}.preview.example.com` });

    app.close();
    app.closeAllConnections();
    await once(app, 'close');
    expect(await routed.preview()).toEqual({});
  });

  it('is what the agent wrote down, where that is an address that a phone can open', async () => {
    const sandbox = await worker({ previewPort: 1 }).open(session());
    const write = (content: object) =>
      sandbox.machine?.write('.mobvibe/preview.json', JSON.stringify(content));
    await write({ webview_url: 'http://127.0.0.1:8081', eas_update_url: 'https://u.expo.dev/1?x=1' });
    expect(await sandbox.preview()).toEqual({ easUpdateUrl: 'https://u.expo.dev/1?x=1' });
    await write({ webview_url: 'https://app.example.com', eas_update_url: 'javascript:alert(1)' });
    expect(await sandbox.preview()).toEqual({ webviewUrl: 'https://app.example.com/' });
    await writeFile(server.disk(sandbox.id.slice('fly:'.length), 'project', '.mobvibe', 'preview.json'), '{');
    expect(await sandbox.preview()).toEqual({});
  });
});
