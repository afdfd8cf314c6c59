import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { makeKeys } from '@mobvibe/local/api';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startOwn } from './target.ts';

let own: Awaited<ReturnType<typeof startOwn>>;
let service: SupabaseClient;
beforeAll(async () => {
  own = await startOwn();
  service = createClient(own.api.url, own.keys.secretKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket as never },
  });
});
afterAll(() => own?.stop());

// Whatever a test sent, the server is there for the next request, and had nothing to say about a failure of its own.
afterEach(async () => {
  const response = await fetch(`${own.api.url}/auth/v1/health`);
  expect(response.status).toBe(200);
  expect(own.lines.splice(0)).toEqual([]);
});

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(claims: object, secret = own.keys.jwtSecret): string {
  const content = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64(claims)}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

function call(path: string, token: string, init: RequestInit = {}): Promise<Response> {
  const headers = { apikey: own.keys.publishableKey, authorization: `Bearer ${token}`, ...init.headers };
  return fetch(own.api.url + path, { ...init, headers });
}

/** The parts of an answer that tests look at. */
interface Answer {
  error: string;
  error_code: string;
  msg: string;
  statusCode: string;
  refresh_token: string;
}

const answer = async (response: Response) => (await response.json()) as Answer;

/** Sends a path as it is: fetch would tidy it up. */
function raw(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { port } = own.api;
    request({ host: '127.0.0.1', port, path, headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

describe('a token', () => {
  const later = () => Math.floor(Date.now() / 1000) + 60;
  const cases: [string, () => string | Promise<string>][] = [
    ['that is none', () => 'nonsense'],
    ['of three empty parts', () => '..'],
    ['that is cut off', () => own.keys.serviceRoleKey.slice(0, -5)],
    ['that expired', () => signed({ role: 'service_role', exp: 1 })],
    ['of another stack', async () => (await makeKeys()).serviceRoleKey],
    ['with an unknown opaque key', () => 'sb_secret_unknown'],
    [
      'signed with the public half',
      () => signed({ role: 'service_role', exp: later() }, JSON.stringify(own.keys.signingKey.x)),
    ],
    ['without an algorithm', () => `${base64({ alg: 'none' })}.${base64({ role: 'service_role' })}.`],
    ['of a role that the API has not', () => signed({ role: 'supabase_storage_admin', exp: later() })],
  ];

  test.each(cases)('%s opens nothing', async (_, make) => {
    const token = await make();
    const rest = await call('/rest/v1/projects?select=id', token);
    expect([401, 403]).toContain(rest.status);
    const admin = await call('/auth/v1/admin/users', token);
    expect([admin.status, (await answer(admin)).error_code]).toEqual([403, 'bad_jwt']);
    const storage = await call('/storage/v1/object/list/project-files', token, {
      method: 'POST',
      body: '{}',
    });
    expect([storage.status, (await answer(storage)).statusCode]).toEqual([400, '403']);
  });

  test('as the API key is refused before anything else', async () => {
    for (const apikey of [
      '',
      'nonsense',
      signed({ role: 'service_role', exp: 1 }),
      (await makeKeys()).secretKey,
    ]) {
      for (const path of ['/rest/v1/projects', '/auth/v1/user', '/storage/v1/bucket', '/nowhere']) {
        expect((await fetch(own.api.url + path, { headers: { apikey } })).status).toBe(401);
      }
    }
  });

  test('of a signed URL is no key', async () => {
    const bucket = service.storage.from('project-files');
    await bucket.upload('x/y.txt', 'y', { upsert: true });
    const { data } = await bucket.createSignedUrl('x/y.txt', 60);
    const token = new URL(data?.signedUrl ?? '').searchParams.get('token') as string;
    expect((await call('/auth/v1/user', token)).status).toBe(403);
    expect((await call('/rest/v1/projects', token)).status).toBe(401);
  });
});

describe('a refresh token', () => {
  const post = async (token: string) => {
    const response = await call('/auth/v1/token?grant_type=refresh_token', own.keys.anonKey, {
      method: 'POST',
      body: JSON.stringify({ refresh_token: token }),
    });
    return { status: response.status, body: await answer(response) };
  };

  test('that was used long ago ends the session: somebody else may have it', async () => {
    const email = `reuse-${randomUUID()}@example.com`;
    const { data } = await service.auth.admin.createUser({
      email,
      password: 'correct horse',
      email_confirm: true,
    });
    const user = data.user?.id as string;
    const client = createClient(own.api.url, own.keys.anonKey, {
      auth: { persistSession: false },
      realtime: { transport: WebSocket as never },
    });
    const stolen = (await client.auth.signInWithPassword({ email, password: 'correct horse' })).data.session
      ?.refresh_token as string;
    const second = (await post(stolen)).body.refresh_token;
    const third = (await post(second)).body.refresh_token;
    await own.database.sql.query(
      `update auth.refresh_tokens set updated_at = now() - interval '11 seconds' where user_id = $1`,
      [user],
    );
    const reused = await post(stolen);
    expect([reused.status, reused.body.error_code]).toEqual([400, 'refresh_token_already_used']);
    const last = await post(third);
    expect([last.status, last.body.error_code]).toEqual([400, 'refresh_token_already_used']);
  });

  test('that ten requests bring at once is swapped once', async () => {
    const email = `race-${randomUUID()}@example.com`;
    await service.auth.admin.createUser({ email, password: 'correct horse', email_confirm: true });
    const signIn = await call('/auth/v1/token?grant_type=password', own.keys.anonKey, {
      method: 'POST',
      body: JSON.stringify({ email, password: 'correct horse' }),
    });
    const { refresh_token: token } = await answer(signIn);
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(token)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
  });
});

describe('a trigger of the application', () => {
  test('that fails leaves no half of a user, and says so in the log by its SQLSTATE', async () => {
    const { sql } = own.database;
    await sql.query(`create function public.refuse_user() returns trigger language plpgsql as
      $$ begin raise exception 'no: %', new.email using errcode = 'MV999'; end $$`);
    await sql.query(`create trigger refuse_user after insert on auth.users
      for each row when (new.email like 'refused-%') execute function public.refuse_user()`);
    const body = JSON.stringify({ email: 'refused-1@example.com', password: 'correct horse' });
    const response = await call('/auth/v1/signup', own.keys.anonKey, { method: 'POST', body });
    expect([response.status, (await answer(response)).msg]).toEqual([500, 'Database error saving new user']);
    expect(own.lines.splice(0)).toEqual(['auth: Database error saving new user (MV999)']);
    const { rowCount } = await sql.query(`select from auth.users where email like 'refused-%'`);
    expect(rowCount).toBe(0);
  });
});

describe('a body', () => {
  test.each([
    ['no JSON', '{"email":'],
    ['a list', '[]'],
    ['the wrong types', '{"email":{"a":1},"password":7}'],
  ])('that is %s is refused', async (_, body) => {
    const response = await call('/auth/v1/signup', own.keys.anonKey, { method: 'POST', body });
    expect([response.status, (await answer(response)).error_code]).toEqual([400, 'bad_json']);
    const list = await call('/storage/v1/object/sign/project-files', own.keys.anonKey, {
      method: 'POST',
      body,
    });
    expect(list.status).toBe(400);
  });

  test.each([
    ['/auth/v1/signup', 2],
    ['/rest/v1/projects', 17],
    ['/storage/v1/bucket', 2],
  ])('to %s of %d MiB is too large', async (path, mebibytes) => {
    const body = Buffer.alloc(mebibytes * 1024 * 1024, ' ');
    const response = await call(path, own.keys.serviceRoleKey, { method: 'POST', body });
    expect(response.status === 413 || (await answer(response)).statusCode === '413').toBe(true);
  });

  test.each([
    [
      'without a file',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
    ],
    ['without a boundary', 'multipart/form-data', 'x'],
    [
      'that breaks off',
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name=""; filename="f"\r\n\r\nabc',
    ],
    ['that is no form', 'multipart/form-data; boundary=x', 'x'.repeat(1000)],
  ])('with a form %s stores nothing', async (_, type, body) => {
    const response = await call('/storage/v1/object/project-files/form/f.txt', own.keys.serviceRoleKey, {
      method: 'POST',
      body,
      headers: { 'content-type': type },
    });
    expect(response.status).toBe(400);
    expect((await service.storage.from('project-files').list('form')).data).toEqual([]);
  });
});

describe('a text with a NUL in it, which Postgres cannot hold,', () => {
  const text = 'a\0b';
  const person = { email: 'nul@example.com', password: 'long-enough' };
  const post = (path: string, body: object) =>
    call(path, own.keys.serviceRoleKey, { method: 'POST', body: JSON.stringify(body) });

  test.each([
    ['/auth/v1/signup', { ...person, data: { name: text } }],
    ['/auth/v1/token?grant_type=password', { ...person, email: text }],
    ['/auth/v1/token?grant_type=refresh_token', { refresh_token: text }],
    ['/auth/v1/admin/users', { ...person, role: text }],
    ['/storage/v1/bucket', { name: 'nul', allowed_mime_types: [text] }],
    ['/storage/v1/object/list/project-files', { prefix: text }],
    [`/storage/v1/object/list/${encodeURIComponent(text)}`, { prefix: '' }],
  ])('is refused by %s, not tried again', async (path, body) => {
    expect((await post(path, body)).status).toBe(400);
    const { rowCount } = await own.database.sql.query('select from auth.users where email = $1', [
      person.email,
    ]);
    expect(rowCount).toBe(0);
  });

  test('is refused in the metadata of a file, of which nothing stays', async () => {
    const name = 'nul/with-metadata.txt';
    const { error } = await service.storage
      .from('project-files')
      .upload(name, new Blob(['x'], { type: 'text/plain' }), { metadata: { note: text } });
    expect(error?.message).toMatch(/NUL/);
    expect((await service.storage.from('project-files').list('nul')).data).toEqual([]);
  });
});

describe('a number beyond all bounds', () => {
  test.each([
    ['/auth/v1/admin/users', { email: 'ban@example.com', ban_duration: '99999999999999999h' }],
    ['/storage/v1/bucket', { name: 'huge', file_size_limit: '9999999999999gb' }],
  ])('is refused by %s', async (path, body) => {
    const response = await call(path, own.keys.serviceRoleKey, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
  });
});

describe('an upload', () => {
  const files = () => readdirSync(join(own.directory, 'storage'));

  test('that is larger than said, or larger than allowed, leaves nothing', async () => {
    await service.storage.createBucket('small', { public: false, fileSizeLimit: 100_000 });
    const before = files();
    const endless = () =>
      new ReadableStream({
        pull(controller) {
          controller.enqueue(Buffer.alloc(16_384));
        },
      });
    for (const name of ['new.bin', 'new.bin']) {
      // The connection may be cut while it is still sending.
      const response = await call(`/storage/v1/object/small/${name}`, own.keys.serviceRoleKey, {
        method: 'POST',
        body: endless(),
        duplex: 'half',
        headers: { 'content-type': 'application/octet-stream' },
        signal: AbortSignal.timeout(20_000),
      } as RequestInit);
      expect((await answer(response)).statusCode).toBe('413');
    }
    const huge = await service.storage
      .from('project-files')
      .upload('huge.bin', Buffer.alloc(51 * 1024 * 1024));
    expect(huge.error).toMatchObject({ statusCode: '413' });
    expect((await service.storage.from('small').list()).data).toEqual([]);
    expect(files()).toEqual(before);
  });

  test('cannot add a header to its downloads', async () => {
    const form = new FormData();
    form.append('cacheControl', '60\r\nset-cookie: a=b');
    form.append('', new Blob(['x']), 'x.txt');
    const path = '/storage/v1/object/project-files/header/x.txt';
    const response = await call(path, own.keys.serviceRoleKey, { method: 'POST', body: form });
    expect([response.status, (await answer(response)).error]).toEqual([400, 'InvalidRequest']);
    expect((await service.storage.from('project-files').list('header')).data).toEqual([]);
  });

  test('of one object by many at once is one of them, whole, whoever reads meanwhile', async () => {
    const bucket = service.storage.from('project-files');
    const contents = Array.from({ length: 12 }, (_, n) => String.fromCharCode(97 + n).repeat(200_000));
    const read = async () => (await bucket.download('contended.txt')).data?.text();
    await bucket.upload('contended.txt', contents[0] as string);
    const before = files().length;
    const [uploads, reads] = await Promise.all([
      Promise.all(contents.map((content) => bucket.upload('contended.txt', content, { upsert: true }))),
      Promise.all(Array.from({ length: 24 }, read)),
    ]);
    expect(uploads.map(({ error }) => error)).toEqual(contents.map(() => null));
    for (const seen of [...reads, await read()]) expect(contents.includes(seen ?? '')).toBe(true);
    expect(files()).toHaveLength(before);
  });

  test('that breaks off leaves what was there', async () => {
    const bucket = service.storage.from('project-files');
    await bucket.upload('kept.txt', 'old', { upsert: true });
    const before = files();
    await new Promise<void>((resolve) => {
      const headers = {
        apikey: own.keys.secretKey,
        'x-upsert': 'true',
        'content-type': 'text/plain',
        'content-length': '1000000',
      };
      const { port } = own.api;
      const path = '/storage/v1/object/project-files/kept.txt';
      const upload = request({ host: '127.0.0.1', port, path, method: 'POST', headers });
      upload.on('error', () => resolve());
      upload.write(Buffer.alloc(50_000, 'n'), () => upload.destroy(new Error('gone')));
    });
    await expect.poll(files).toEqual(before);
    expect(await (await bucket.download('kept.txt')).data?.text()).toBe('old');
  });
});

describe('the name of an object', () => {
  const names = [
    '../../etc/passwd',
    'a/../../b',
    'a/..',
    './a',
    '/a',
    'a//b',
    '..',
    'a\0b',
    'a\\..\\b',
    'ä',
    'x'.repeat(1025),
  ];

  test.each(names)('cannot be %j', async (name) => {
    const path = `/storage/v1/object/project-files/${encodeURIComponent(name)}`;
    for (const method of ['POST', 'PUT', 'GET']) {
      const response = await call(path, own.keys.serviceRoleKey, {
        method,
        ...(method !== 'GET' && { body: 'x' }),
      });
      expect([response.status, (await answer(response)).error]).toEqual([400, 'InvalidKey']);
    }
    await service.storage.from('project-files').upload('here.txt', 'x', { upsert: true });
    const moved = await service.storage.from('project-files').move('here.txt', name);
    expect(moved.error).toMatchObject({ status: 400 });
  });

  test('leads nowhere, however it is written', async () => {
    const headers = { apikey: own.keys.secretKey };
    for (const path of [
      '/storage/v1/object/project-files/../../../../etc/passwd',
      '/storage/v1/object/project-files/%2e%2e/%2e%2e/etc/passwd',
      '/storage/v1/object/project-files/..%2f..%2fkeys.json',
      '/storage/v1/object/public/..%2f..%2fkeys.json',
      '/storage/v1/object/..%2f..%2f/keys.json',
      '/storage/v1/object/project-files/%',
      '/storage/v1/object/project-files/%ff',
      '/storage/v1/object/project-files/',
      '/storage/v1/object/project-files',
      '/storage/v1/object/sign/../../keys.json?token=x',
    ]) {
      const { status, body } = await raw(path, headers);
      expect([400, 404], path).toContain(status);
      expect(body).not.toMatch(/root:|jwtSecret/);
    }
    expect(readdirSync(join(own.directory, 'storage')).every((name) => /^[0-9a-f-]{36}$/.test(name))).toBe(
      true,
    );
    expect(existsSync(join(own.directory, 'etc'))).toBe(false);
  });
});

describe('a connection', () => {
  const socket = (text: string) =>
    new Promise<string>((resolve) => {
      const client = connect(own.api.port, '127.0.0.1', () => client.write(text));
      let answer = '';
      client.on('data', (data) => {
        answer += data;
      });
      client.on('error', () => {});
      client.on('close', () => resolve(answer));
      client.setTimeout(5_000, () => client.destroy());
    });

  test('that speaks no HTTP is closed', async () => {
    expect(await socket('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await socket('GET / HTTP/9.9\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await socket(`GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('that wants to become something else is refused', async () => {
    const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\n\r\n';
    expect(await socket(`GET /rest/v1/ HTTP/1.1\r\nhost: x\r\n${upgrade}`)).toMatch(/^HTTP\/1\.1 404 /);
    expect(await socket(`GET /realtime/v1/websocket HTTP/1.1\r\nhost: x\r\n${upgrade}`)).toMatch(
      /^HTTP\/1\.1 401 /,
    );
    expect(await socket(`GET // HTTP/1.1\r\nhost: x\r\n${upgrade}`)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('ten thousand times changes nothing', async () => {
    const once = () =>
      new Promise<void>((resolve) => {
        const client = connect(own.api.port, '127.0.0.1', () => client.destroy());
        client.on('error', () => {});
        client.on('close', () => resolve());
      });
    let left = 10_000;
    const oneAfterAnother = async () => {
      while (left-- > 0) await once();
    };
    await Promise.all(Array.from({ length: 200 }, oneAfterAnother));
    expect((await fetch(`${own.api.url}/rest/v1/`, { headers: { apikey: own.keys.secretKey } })).status).toBe(
      200,
    );
  }, 60_000);
});
