import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFlyClient, type FlyClientOptions, isFlyError } from '../../src/sandbox/fly/client.ts';
import { type FlyServer, startFlyServer } from './fly-server.ts';

let server: FlyServer;
beforeEach(async () => {
  server = await startFlyServer();
});
afterEach(() => server.close());

const clientOf = (options: Partial<FlyClientOptions> = {}) =>
  createFlyClient({
    token: server.token,
    app: server.app,
    baseUrl: server.url,
    retryDelayMs: 5,
    pace: { perSecond: 1_000, burst: 100 },
    ...options,
  });

const config = { image: 'node:22', guest: { persist_rootfs: 'always' } };

/** What a call fails with. */
async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!isFlyError(error)) throw new Error('no FlyError', { cause: error });
  return error;
}

describe('the client of the Machines API', () => {
  it('creates, starts, runs, stops and destroys a machine', async () => {
    const client = clientOf();
    const { id } = await client.create({ name: 'one', config: { ...config, metadata: { key: 'a' } } });
    await client.wait(id, 'started', 5);
    const result = await client.exec(id, ['sh', '-c', 'cat; echo err >&2; exit 3'], { stdin: 'in' });
    expect(result).toEqual({ exitCode: 3, stdout: 'in', stderr: 'err\n' });
    expect(await client.list({ key: 'a' })).toMatchObject([{ id, state: 'started' }]);
    expect(await client.list({ key: 'b' })).toEqual([]);

    await client.stop(id);
    expect(await client.get(id)).toMatchObject({ id, state: 'stopped' });
    expect(await failureOf(client.exec(id, ['true'], { stdin: '' }))).toMatchObject({ status: 412 });
    await client.start(id);
    await client.wait(id, 'started', 5);

    await client.destroy(id);
    await client.destroy(id);
    expect(await client.list({})).toEqual([]);
    expect(await failureOf(client.start(id))).toMatchObject({ status: 404 });
  });

  it.each([
    [500, { status: 500 }],
    [503, { status: 503 }],
    [408, { status: 408 }],
    [429, { status: 429 }],
    ['an answer that is lost', { lostAnswer: true as const }],
    ['an answer that is none', { nonsense: true as const }],
  ])('tries again after %s', async (_, fault) => {
    server.fail('list', fault, fault);
    expect(await clientOf().list({})).toEqual([]);
    expect(server.count('list')).toBe(3);
  });

  it.each([400, 401, 403, 404, 409, 412, 422])('does not try again after %d', async (status) => {
    server.fail('list', { status, message: 'because' });
    expect(await failureOf(clientOf().list({}))).toMatchObject({ status, message: 'list: because' });
    expect(server.count('list')).toBe(1);
  });

  it('gives up after as many retries as it may', async () => {
    server.fail('list', ...Array(10).fill({ status: 502 }));
    expect(await failureOf(clientOf({ retries: 2 }).list({}))).toMatchObject({ status: 502 });
    expect(server.count('list')).toBe(3);
  });

  it('comes back when Retry-After says so, and not before', async () => {
    server.fail('list', { status: 429, retryAfter: '1' });
    const asked = performance.now();
    await clientOf().list({});
    expect(performance.now() - asked).toBeGreaterThanOrEqual(990);
    expect(server.count('list')).toBe(2);
  });

  it('does not wait for an answer for ever', async () => {
    server.fail('list', { hang: true });
    expect(await clientOf({ timeoutMs: 200 }).list({})).toEqual([]);
    expect(server.requests).toEqual([
      { action: 'list', status: 0 },
      { action: 'list', status: 200 },
    ]);
  });

  it('stops at once when it is aborted: while it waits for an answer, and between two tries', async () => {
    const { id } = await clientOf().create({ name: 'one', config });
    const aborted = async (retryDelayMs: number, isUnderWay: () => boolean) => {
      const controller = new AbortController();
      const running = clientOf({ retryDelayMs }).exec(id, ['true'], { stdin: '', signal: controller.signal });
      const outcome = expect(running).rejects.toBe('cancelled');
      await expect.poll(isUnderWay).toBe(true);
      controller.abort('cancelled');
      await outcome;
    };
    server.fail('exec', { hang: true });
    await aborted(5, () => server.count('exec') === 1);
    server.fail('exec', { status: 500 });
    await aborted(60_000, () => server.count('exec') === 2);
  });

  it('keeps the pace that the API allows, and so is never refused', async () => {
    await server.close();
    server = await startFlyServer({ rateLimit: true });
    const client = clientOf({ pace: { perSecond: 1, burst: 3 } });
    const started = performance.now();
    await Promise.all(Array.from({ length: 5 }, () => client.list({})));
    expect(performance.now() - started).toBeGreaterThan(1_500);
    expect(server.requests.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });

  it('says nothing of the token in what it throws', async () => {
    server.fail('list', { status: 401, message: 'unauthorized' }, { hang: true });
    const client = clientOf({ timeoutMs: 100, retries: 0 });
    for (const error of [await failureOf(client.list({})), await failureOf(client.list({}))]) {
      const { stack, cause, ...rest } = error;
      expect(JSON.stringify([error.message, stack, String(cause), rest])).not.toContain(server.token);
    }
  });

  it('is refused with another token', async () => {
    expect(await failureOf(clientOf({ token: 'other' }).list({}))).toMatchObject({ status: 401 });
  });
});
