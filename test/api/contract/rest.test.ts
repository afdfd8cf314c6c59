import type { SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contractTarget, type Target, type TestUser } from '../target.ts';

let target: Target;
let service: SupabaseClient;
let alice: TestUser;
let bob: TestUser;
beforeAll(async () => {
  target = await contractTarget();
  service = target.client(target.secret);
  [alice, bob] = [await target.user(), await target.user()];
});
afterAll(() => target?.stop());

async function project(owner: TestUser, name = 'Notes'): Promise<string> {
  const { data, error } = await owner.client.from('projects').insert({ name }).select('id').single();
  expect(error).toBeNull();
  return data?.id;
}

describe('a signed-in user', () => {
  test('writes own rows, filled with the own id, and nobody else sees them', async () => {
    const id = await project(alice);
    expect((await alice.client.from('projects').select('user_id').eq('id', id).single()).data).toEqual({
      user_id: alice.id,
    });
    expect((await bob.client.from('projects').select('id').eq('id', id)).data).toEqual([]);
    const { data, status } = await bob.client
      .from('projects')
      .update({ name: 'Mine' })
      .eq('id', id)
      .select('id');
    expect([status, data]).toEqual([200, []]);
  });

  test('cannot write columns that are not granted, nor for somebody else', async () => {
    const given = await alice.client.from('projects').insert({ name: 'x', user_id: bob.id });
    expect(given).toMatchObject({ status: 403, error: { code: '42501' } });
    const tier = await alice.client.from('profiles').update({ tier: 'team' }).eq('id', alice.id);
    expect(tier).toMatchObject({ status: 403, error: { code: '42501' } });
  });

  test('embeds, filters, orders and counts', async () => {
    const id = await project(bob, 'With sessions');
    await bob.client.from('coding_sessions').insert({ project_id: id });
    const { data, count, error } = await bob.client
      .from('projects')
      .select('name, coding_sessions(status)', { count: 'exact' })
      .in('id', [id])
      .order('created_at', { ascending: false })
      .range(0, 9);
    expect(error).toBeNull();
    expect([data, count]).toEqual([[{ name: 'With sessions', coding_sessions: [{ status: 'pending' }] }], 1]);
  });

  test('calls functions', async () => {
    const project_id = await project(alice);
    const session = await alice.client.from('coding_sessions').insert({ project_id }).select('id').single();
    const events = { p_session_id: session.data?.id, p_seq: 0, p_limit: 10 };
    const { data, error } = await alice.client.rpc('events_since', events);
    expect(error).toBeNull();
    expect(data).toEqual([]);
  });

  test('is told what is wrong with a request', async () => {
    expect(await alice.client.from('no_such_table').select()).toMatchObject({
      status: 404,
      error: { code: expect.stringMatching(/^(42P01|PGRST205)$/) },
    });
    expect(await alice.client.from('projects').select('no_such_column')).toMatchObject({
      status: 400,
      error: { code: '42703' },
    });
    expect(await alice.client.rpc('no_such_function')).toMatchObject({
      status: 404,
      error: { code: 'PGRST202' },
    });
    expect(await alice.client.from('projects').select().eq('id', 'no uuid')).toMatchObject({
      status: 400,
      error: { code: '22P02' },
    });
  });
});

describe('a browser', () => {
  test('of another origin may ask', async () => {
    const response = await fetch(`${target.url}/rest/v1/projects`, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:8081',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'apikey,authorization,content-profile,content-type,prefer',
      },
    });
    expect(response.ok).toBe(true);
    expect(response.headers.get('access-control-allow-origin')).toMatch(/^(\*|http:\/\/localhost:8081)$/);
    expect(response.headers.get('access-control-allow-headers')?.toLowerCase()).toMatch(/apikey|\*/);
  });

  test('gets a long answer compressed', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => ({ name: `Project ${n}` }));
    expect((await alice.client.from('projects').insert(rows)).error).toBeNull();
    const token = (await alice.client.auth.getSession()).data.session?.access_token;
    const response = await fetch(`${target.url}/rest/v1/projects?select=*`, {
      headers: { apikey: target.key, authorization: `Bearer ${token}`, 'accept-encoding': 'gzip' },
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(await response.json()).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'Project 7' })]),
    );
  });
});

describe('keys', () => {
  test('the publishable key alone reads nothing', async () => {
    const { error, status } = await target.client().from('projects').select();
    expect([status, error?.code]).toEqual([401, '42501']);
  });

  test('the secret key bypasses row-level security', async () => {
    const id = await project(alice);
    const { data, error } = await service.from('projects').select('id').eq('id', id);
    expect(error).toBeNull();
    expect(data).toEqual([{ id }]);
  });

  test('another key is refused', async () => {
    const { status } = await target.client(`${target.key}x`).from('projects').select();
    expect(status).toBe(401);
  });

  test('a token that somebody else signed is refused', async () => {
    const { session } = (await alice.client.auth.getSession()).data;
    const [header, payload] = (session?.access_token ?? '').split('.');
    const forged = target.client(target.key, {
      global: { headers: { Authorization: `Bearer ${header}.${payload}.${'A'.repeat(86)}` } },
    });
    expect((await forged.from('projects').select()).status).toBe(401);
    const unsigned = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    const none = target.client(target.key, {
      global: { headers: { Authorization: `Bearer ${unsigned}.${payload}.` } },
    });
    expect((await none.from('projects').select()).status).toBe(401);
  });
});
