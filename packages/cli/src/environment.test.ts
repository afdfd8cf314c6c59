import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadEnvironment } from './environment.ts';

beforeEach(() => {
  // With a database given, nothing comes from a local stack that happens to run.
  vi.stubEnv('DATABASE_URL', 'postgresql://postgres@db.example.com/postgres');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each([
  ['SUPABASE_PUBLISHABLE_KEY', 'SUPABASE_ANON_KEY'],
  ['SUPABASE_SECRET_KEY', 'SUPABASE_SERVICE_ROLE_KEY'],
] as const)('%s', (name, older) => {
  test('is taken from its older name as well', () => {
    vi.stubEnv(name, '');
    vi.stubEnv(older, 'older');
    expect(loadEnvironment()[name]).toBe('older');
  });

  test('comes first where both are given', () => {
    vi.stubEnv(name, 'newer');
    vi.stubEnv(older, 'older');
    expect(loadEnvironment()[name]).toBe('newer');
  });
});
