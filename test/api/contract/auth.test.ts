import { randomUUID } from 'node:crypto';
import type { SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contractTarget, type Target } from '../target.ts';

let target: Target;
let service: SupabaseClient;
beforeAll(async () => {
  target = await contractTarget();
  service = target.client(target.secret);
});
afterAll(() => target?.stop());

const address = () => `contract-${randomUUID()}@example.com`;

describe('signing up', () => {
  const email = address();
  const password = 'correct horse';

  test('opens a session and makes the profile', async () => {
    const client = target.client();
    const { data, error } = await client.auth.signUp({ email, password, options: { data: { nick: 'Ann' } } });
    expect(error).toBeNull();
    expect(data.session).toMatchObject({ token_type: 'bearer', expires_in: 3600 });
    expect(data.user).toMatchObject({
      email,
      role: 'authenticated',
      aud: 'authenticated',
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: expect.objectContaining({ nick: 'Ann' }),
      identities: [expect.objectContaining({ provider: 'email', identity_id: expect.any(String) })],
    });
    const profile = await client.from('profiles').select('id, email').single();
    expect(profile.data).toEqual({ id: data.user?.id, email });
  });

  test('is refused for an address that is taken', async () => {
    const { error } = await target.client().auth.signUp({ email: email.toUpperCase(), password });
    expect(error).toMatchObject({
      status: 422,
      code: 'user_already_exists',
      message: 'User already registered',
    });
  });

  test('is refused with a weak password', async () => {
    const { error } = await target.client().auth.signUp({ email: address(), password: '12345' });
    expect(error).toMatchObject({ name: 'AuthWeakPasswordError', status: 422, reasons: ['length'] });
  });

  test('is refused for what is no address', async () => {
    const { error } = await target.client().auth.signUp({ email: 'nobody at home', password });
    expect(error).toMatchObject({ status: 400, code: 'validation_failed' });
  });

  afterAll(async () => {
    const { data } = await target.client().auth.signInWithPassword({ email, password });
    if (data.user) await service.auth.admin.deleteUser(data.user.id);
  });
});

describe('signing in', () => {
  test('takes the password, whatever the case of the address', async () => {
    const user = await target.user();
    const { data, error } = await target
      .client()
      .auth.signInWithPassword({ email: user.email.toUpperCase(), password: user.password });
    expect(error).toBeNull();
    expect(data.user?.id).toBe(user.id);
    expect(Date.parse(data.user?.last_sign_in_at ?? '')).toBeGreaterThan(Date.now() - 60_000);
  });

  test.each([
    ['another password', (email: string) => ({ email, password: 'another' })],
    ['an unknown address', () => ({ email: address(), password: 'another' })],
  ])('refuses %s in the same words', async (_, credentials) => {
    const user = await target.user();
    const { error } = await target.client().auth.signInWithPassword(credentials(user.email));
    expect(error).toMatchObject({
      status: 400,
      code: 'invalid_credentials',
      message: 'Invalid login credentials',
    });
  });

  test('refuses a banned user, and takes one whose ban is lifted', async () => {
    const { id, email, password } = await target.user();
    const signIn = () => target.client().auth.signInWithPassword({ email, password });
    await service.auth.admin.updateUserById(id, { ban_duration: '24h' });
    expect((await signIn()).error).toMatchObject({ status: 400, code: 'user_banned' });
    await service.auth.admin.updateUserById(id, { ban_duration: 'none' });
    expect((await signIn()).error).toBeNull();
  });
});

describe('a session', () => {
  test('has claims that the public key verifies', async () => {
    const { client, id, email } = await target.user();
    const { data, error } = await client.auth.getClaims();
    expect(error).toBeNull();
    expect(data?.header.alg).toBe('ES256');
    expect(data?.claims).toMatchObject({
      iss: `${target.url}/auth/v1`,
      sub: id,
      aud: 'authenticated',
      role: 'authenticated',
      email,
      phone: '',
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: expect.any(Number) }],
      session_id: expect.any(String),
      is_anonymous: false,
    });
  });

  test('is renewed with a new refresh token, and the access token before it stays valid', async () => {
    const { client, id } = await target.user();
    const before = (await client.auth.getSession()).data.session;
    const { data, error } = await client.auth.refreshSession();
    expect(error).toBeNull();
    expect(data.session?.refresh_token).not.toBe(before?.refresh_token);
    expect((await client.auth.getUser(before?.access_token)).data.user?.id).toBe(id);
    const claims = (await client.auth.getClaims()).data?.claims;
    const claimsBefore = (await client.auth.getClaims(before?.access_token)).data?.claims;
    expect(claims?.session_id).toBe(claimsBefore?.session_id);
  });

  test('gives the same new token to a client that lost the answer', async () => {
    const { client } = await target.user();
    const lost = (await client.auth.getSession()).data.session?.refresh_token as string;
    const first = await target.client().auth.refreshSession({ refresh_token: lost });
    const again = await target.client().auth.refreshSession({ refresh_token: lost });
    expect(again.error).toBeNull();
    expect(again.data.session?.refresh_token).toBe(first.data.session?.refresh_token);
  });

  test('is not renewed with a token that never was', async () => {
    const { error } = await target.client().auth.refreshSession({ refresh_token: 'never-was' });
    expect(error).toMatchObject({ status: 400, code: 'refresh_token_not_found' });
  });

  test('ends: its tokens open nothing any more', async () => {
    const { client } = await target.user();
    const { session } = (await client.auth.getSession()).data;
    expect((await client.auth.signOut()).error).toBeNull();
    const refreshed = await target
      .client()
      .auth.refreshSession({ refresh_token: session?.refresh_token as string });
    expect(refreshed.error).toMatchObject({ status: 400, code: 'refresh_token_not_found' });
    const { error } = await target.client().auth.getUser(session?.access_token);
    expect(error?.name).toBe('AuthSessionMissingError');
  });

  test('ends alone, or together with the others, or leaves only itself', async () => {
    const { email, password } = await target.user();
    const signIn = async () => {
      const client = target.client();
      await client.auth.signInWithPassword({ email, password });
      return client;
    };
    const alive = async (client: SupabaseClient) => !(await client.auth.refreshSession()).error;
    const [first, second, third] = [await signIn(), await signIn(), await signIn()];
    await first.auth.signOut({ scope: 'local' });
    expect(await alive(second)).toBe(true);
    await second.auth.signOut({ scope: 'others' });
    expect([await alive(second), await alive(third)]).toEqual([true, false]);
    const fourth = await signIn();
    await fourth.auth.signOut({ scope: 'global' });
    expect(await alive(second)).toBe(false);
  });
});

describe('a user', () => {
  test('changes the password, which ends the other sessions', async () => {
    const { client, email, password } = await target.user();
    const other = target.client();
    await other.auth.signInWithPassword({ email, password });
    const same = await client.auth.updateUser({ password });
    expect(same.error).toMatchObject({ status: 422, code: 'same_password' });
    expect((await client.auth.updateUser({ password: 'another horse' })).error).toBeNull();
    expect((await other.auth.refreshSession()).error).not.toBeNull();
    expect((await client.auth.refreshSession()).error).toBeNull();
    expect(
      (await target.client().auth.signInWithPassword({ email, password: 'another horse' })).error,
    ).toBeNull();
  });

  test('changes metadata of the own, key by key, and never of the application', async () => {
    const { client } = await target.user();
    await client.auth.updateUser({ data: { a: 1, b: 2 } });
    const { data } = await client.auth.updateUser({ data: { a: null, c: 3 } });
    expect(data.user?.user_metadata).toMatchObject({ b: 2, c: 3 });
    expect(data.user?.user_metadata).not.toHaveProperty('a');
    await client.auth.updateUser({ app_metadata: { admin: true } } as never);
    expect((await client.auth.getUser()).data.user?.app_metadata).not.toHaveProperty('admin');
  });
});

describe('administration', () => {
  test('makes, finds, changes, lists and deletes users', async () => {
    const email = address();
    const { admin } = service.auth;
    const created = await admin.createUser({
      email,
      password: 'correct horse',
      email_confirm: true,
      user_metadata: { nick: 'Bo' },
      app_metadata: { plan: 'x' },
    });
    const id = created.data.user?.id as string;
    expect(created.data.user).toMatchObject({
      email,
      user_metadata: { nick: 'Bo' },
      app_metadata: { plan: 'x', provider: 'email' },
    });
    expect((await admin.createUser({ email, password: 'correct horse' })).error).toMatchObject({
      status: 422,
      code: 'email_exists',
    });
    expect((await admin.getUserById(id)).data.user?.email).toBe(email);

    const changed = await admin.updateUserById(id, { email: `new-${email}`, app_metadata: { plan: null } });
    expect(changed.data.user).toMatchObject({ email: `new-${email}` });
    expect(changed.data.user?.app_metadata).not.toHaveProperty('plan');

    const listed = await admin.listUsers({ page: 1, perPage: 1 });
    expect(listed.data.users).toHaveLength(1);
    expect(listed.data).toMatchObject({ aud: 'authenticated', total: expect.any(Number) });

    expect((await admin.deleteUser(id)).error).toBeNull();
    expect((await admin.getUserById(id)).error).toMatchObject({ status: 404, code: 'user_not_found' });
    expect((await service.from('profiles').select('id').eq('id', id)).data).toEqual([]);
  });

  test('signs nobody in who is not confirmed', async () => {
    const email = address();
    const { data } = await service.auth.admin.createUser({ email, password: 'correct horse' });
    const { error } = await target.client().auth.signInWithPassword({ email, password: 'correct horse' });
    expect(error).toMatchObject({ status: 400, code: 'email_not_confirmed' });
    await service.auth.admin.deleteUser(data.user?.id as string);
  });

  test('needs the secret key', async () => {
    const { client } = await target.user();
    for (const other of [client, target.client()]) {
      const { error } = await other.auth.admin.listUsers();
      expect(error).toMatchObject({ status: 403, code: 'not_admin' });
    }
  });
});
