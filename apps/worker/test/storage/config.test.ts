import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadWorkerConfig } from '../../src/config.ts';

beforeEach(() => {
  // With a database given, nothing comes from a local stack that happens to run.
  vi.stubEnv('DATABASE_URL', 'postgresql://postgres@db.example.com/postgres');
  vi.stubEnv('SUPABASE_URL', 'https://project.example.com');
  for (const name of ['SUPABASE_SECRET_KEY', 'SUPABASE_SERVICE_ROLE_KEY']) vi.stubEnv(name, '');
});
afterEach(() => vi.unstubAllEnvs());

it('files go to the Storage that the environment names, with the secret key or the older one', () => {
  vi.stubEnv('SUPABASE_SERVICE_ROLE_KEY', 'older');
  expect(loadWorkerConfig().storage).toEqual({ url: 'https://project.example.com', key: 'older' });
  vi.stubEnv('SUPABASE_SECRET_KEY', 'secret');
  expect(loadWorkerConfig().storage).toEqual({ url: 'https://project.example.com', key: 'secret' });
  expect(Object.values(loadWorkerConfig().system)).not.toContain('secret');
});

it('files stay where they are without an address, or without a key of a server', () => {
  vi.stubEnv('SUPABASE_ANON_KEY', 'anon');
  expect(loadWorkerConfig().storage).toBeUndefined();
  vi.stubEnv('SUPABASE_SECRET_KEY', 'secret');
  vi.stubEnv('SUPABASE_URL', '');
  expect(loadWorkerConfig().storage).toBeUndefined();
});
