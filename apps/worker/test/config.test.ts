import { join } from 'node:path';
import { repositoryRoot } from '@mobvibe/cli';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadWorkerConfig, workerTarget } from '../src/config.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the configuration', () => {
  it('has defaults for everything, and a new worker id each time', () => {
    vi.stubEnv('ANTHROPIC_API_KEY', 'sk');
    const [first, second] = [loadWorkerConfig(), loadWorkerConfig()];
    expect(first).toMatchObject({
      concurrency: 2,
      leaseMs: 30_000,
      dataDirectory: join(repositoryRoot, '.local', 'worker'),
      anthropic: { apiKey: 'sk' },
    });
    expect(first.workerId).not.toBe(second.workerId);
  });

  it.each([
    [{ concurrency: '0' }, /--concurrency: must be a whole number from 1 to 100/],
    [{ concurrency: 'many' }, /--concurrency/],
    [{ lease: '0.5' }, /--lease/],
    [{ maxTurns: '1.5' }, /--max-turns/],
    [{ workerId: 'a b' }, /--worker-id/],
    [{ grace: '-1' }, /--grace/],
    [{ port: '65536' }, /--port/],
    [{ connections: 'all' }, /--connections/],
    [{ logLevel: 'loud' }, /--log-level/],
  ])('says which setting is wrong: %j', (settings, message) => {
    expect(() => loadWorkerConfig(settings)).toThrow(message);
  });

  it('comes from the environment where the command line says nothing', () => {
    vi.stubEnv('WORKER_CONCURRENCY', '7');
    vi.stubEnv('WORKER_MAX_TURNS', '11');
    vi.stubEnv('WORKER_GRACE', '0');
    vi.stubEnv('WORKER_PORT', '9464');
    vi.stubEnv('WORKER_WORKER_ID', 'shared-by-all');
    const config = loadWorkerConfig({ concurrency: undefined, grace: 3 });
    expect(config).toMatchObject({
      concurrency: 7,
      connections: 9,
      graceMs: 3_000,
      http: { host: '127.0.0.1', port: 9464 },
    });
    expect(config.workerId).not.toBe('shared-by-all');
    vi.stubEnv('WORKER_LEASE', 'long');
    expect(() => loadWorkerConfig()).toThrow(/^WORKER_LEASE: must be a number/);
  });

  it('gives the agent no variable that it does not name', () => {
    vi.stubEnv('DATABASE_URL', 'postgresql://postgres:secret@db.example.com/postgres');
    expect(JSON.stringify(loadWorkerConfig().system)).not.toContain('secret');
  });
});

describe('the database of a worker', () => {
  it.each([
    ['postgresql://postgres:x@db.example.com:5432/postgres', 'mobvibe_worker'],
    ['postgresql://postgres.tenant:x@pooler.example.com:6543/postgres', 'mobvibe_worker.tenant'],
  ])('is DATABASE_URL, as the role whose password is given: %s', (url, username) => {
    vi.stubEnv('DATABASE_URL', url);
    vi.stubEnv('MOBVIBE_WORKER_PASSWORD', 'p@ss word');
    const target = new URL(workerTarget().url);
    expect(decodeURIComponent(target.username)).toBe(username);
    expect(decodeURIComponent(target.password)).toBe('p@ss word');
    expect(target.host).toBe(new URL(url).host);
  });

  it('is DATABASE_URL as it stands where that names the role itself', () => {
    vi.stubEnv('DATABASE_URL', 'postgresql://mobvibe_worker:own@db.example.com/postgres');
    vi.stubEnv('MOBVIBE_WORKER_PASSWORD', 'another-password');
    expect(workerTarget().url).toBe('postgresql://mobvibe_worker:own@db.example.com/postgres');
  });
});
