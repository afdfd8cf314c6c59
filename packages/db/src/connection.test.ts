import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loginUrl } from './connection.ts';

beforeEach(() => {
  vi.stubEnv('MOBVIBE_APP_PASSWORD', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the URL of a login role', () => {
  test.each([
    ['postgresql://mobvibe_app:kept@db.example.com/postgres'],
    ['postgresql://mobvibe_app.tenant:kept@pooler.example.com:6543/postgres'],
  ])('is left as it is where it names the role: %s', (url) => {
    expect(loginUrl('mobvibe_app', { url })).toBe(url);
  });

  test('names the role in the place of another, and keeps the tenant of a pooler', () => {
    expect(
      loginUrl('mobvibe_app', {
        url: 'postgresql://postgres.tenant:old@pooler.example.com:6543/postgres',
        password: 'p@ss',
      }),
    ).toBe('postgresql://mobvibe_app.tenant:p%40ss@pooler.example.com:6543/postgres');
  });

  test('needs a password for a database that is not on this machine', () => {
    expect(() => loginUrl('mobvibe_app', { url: 'postgresql://postgres:p@db.example.com/postgres' })).toThrow(
      'MOBVIBE_APP_PASSWORD is not set',
    );
    expect(loginUrl('mobvibe_app', { url: 'postgresql://postgres:p@127.0.0.1:54322/postgres' })).toBe(
      'postgresql://mobvibe_app:mobvibe_app@127.0.0.1:54322/postgres',
    );
  });
});
