import { randomUUID } from 'node:crypto';
import type { SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contractTarget, type Target, type TestUser } from '../target.ts';

// The bucket of the application, with its policies: a folder a user.
const BUCKET = 'project-files';

let target: Target;
let service: SupabaseClient;
let alice: TestUser;
let bob: TestUser;
beforeAll(async () => {
  target = await contractTarget();
  service = target.client(target.secret);
  [alice, bob] = [await target.user(), await target.user()];
});
afterAll(async () => {
  for (const { id } of [alice, bob]) await removeFolder(id);
  await target?.stop();
});

const files = (user: TestUser) => user.client.storage.from(BUCKET);
const path = (user: TestUser, name: string) => `${user.id}/app/${name}`;

async function removeFolder(folder: string): Promise<void> {
  const bucket = service.storage.from(BUCKET);
  const { data } = await bucket.list(folder, { limit: 1000 });
  for (const { id, name } of data ?? []) {
    if (id) await bucket.remove([`${folder}/${name}`]);
    else await removeFolder(`${folder}/${name}`);
  }
}

describe('a file', () => {
  test('is uploaded, described, and downloaded as it was', async () => {
    const name = path(alice, 'App.tsx');
    const content = 'export default () => null; // äöü\n';
    const uploaded = await files(alice).upload(name, content, {
      contentType: 'text/plain;charset=UTF-8',
      cacheControl: '60',
      metadata: { by: 'agent' },
    });
    expect(uploaded.error).toBeNull();
    expect(uploaded.data).toEqual({ path: name, fullPath: `${BUCKET}/${name}`, id: expect.any(String) });

    const downloaded = await files(alice).download(name);
    expect(await downloaded.data?.text()).toBe(content);
    const info = await files(alice).info(name);
    expect(info.data).toMatchObject({
      id: uploaded.data?.id,
      name,
      bucketId: BUCKET,
      size: Buffer.byteLength(content),
      contentType: expect.stringMatching(/^text\/plain/),
      cacheControl: 'max-age=60',
      metadata: { by: 'agent' },
    });
    expect((await files(alice).exists(name)).data).toBe(true);
    expect((await files(alice).exists(path(alice, 'other'))).data).toBe(false);
  });

  test('of a form or of bytes is the same file', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    for (const [name, body] of [
      ['blob.bin', new Blob([bytes], { type: 'application/x-own' })],
      ['bytes.bin', bytes],
    ] as const) {
      const { error } = await files(alice).upload(path(alice, name), body, {
        contentType: 'application/x-own',
      });
      expect(error).toBeNull();
      const { data } = await files(alice).download(path(alice, name));
      expect(data?.type).toBe('application/x-own');
      expect(Buffer.from((await data?.arrayBuffer()) as ArrayBuffer).equals(bytes)).toBe(true);
    }
  });

  test('may be empty', async () => {
    const { error } = await files(alice).upload(path(alice, 'empty'), '');
    expect(error).toBeNull();
    expect((await files(alice).download(path(alice, 'empty'))).data?.size).toBe(0);
  });

  test('is replaced by an upsert or an update only', async () => {
    const name = path(alice, 'replaced.txt');
    const text = async () => (await files(alice).download(name)).data?.text();
    const early = await files(alice).update(name, 'zero');
    expect(early.error).toMatchObject({ status: 400, statusCode: '404' });
    await files(alice).upload(name, 'one');
    const { error } = await files(alice).upload(name, 'two');
    expect(error).toMatchObject({ status: 400, statusCode: '409', message: 'The resource already exists' });
    expect(await text()).toBe('one');
    expect((await files(alice).upload(name, 'three', { upsert: true })).error).toBeNull();
    expect(await text()).toBe('three');
    expect((await files(alice).update(name, 'four')).error).toBeNull();
    expect(await text()).toBe('four');
  });

  test('is moved and copied', async () => {
    const [from, to, copy] = ['from.txt', 'to.txt', 'copy.txt'].map((name) => path(alice, name)) as [
      string,
      string,
      string,
    ];
    await files(alice).upload(from, 'moving');
    expect(await files(alice).move(from, to)).toEqual({
      data: { message: 'Successfully moved' },
      error: null,
    });
    expect((await files(alice).copy(to, copy)).data).toEqual({ path: `${BUCKET}/${copy}` });
    expect((await files(alice).download(from)).error).not.toBeNull();
    for (const name of [to, copy])
      expect(await (await files(alice).download(name)).data?.text()).toBe('moving');
    await files(alice).remove([to]);
    expect(await (await files(alice).download(copy)).data?.text()).toBe('moving');
  });

  test('is removed', async () => {
    const name = path(alice, 'removed.txt');
    await files(alice).upload(name, 'here');
    const { data, error } = await files(alice).remove([name, path(alice, 'never-was')]);
    expect(error).toBeNull();
    expect(data?.map((file) => file.name)).toEqual([name]);
    expect((await files(alice).download(name)).error).not.toBeNull();
  });
});

describe('a folder', () => {
  test('is listed with its folders first, page by page, sorted and searched', async () => {
    const folder = `${alice.id}/${randomUUID()}`;
    for (const name of ['b.txt', 'a.txt', 'src/one.ts', 'src/deep/two.ts', 'Art/x.svg']) {
      expect((await files(alice).upload(`${folder}/${name}`, name)).error).toBeNull();
    }
    const list = async (options = {}, under = folder) =>
      (await files(alice).list(under, options)).data?.map(({ name }) => name);
    expect(await list()).toEqual(['Art', 'src', 'a.txt', 'b.txt']);
    expect(await list({}, `${folder}/src`)).toEqual(['deep', 'one.ts']);
    expect(await list({ limit: 2, offset: 1 })).toEqual(['src', 'a.txt']);
    expect(await list({ search: 'a' })).toEqual(['Art', 'a.txt']);
    expect(await list({ sortBy: { column: 'name', order: 'desc' } })).toEqual([
      'src',
      'Art',
      'b.txt',
      'a.txt',
    ]);
    const { data } = await files(alice).list(folder);
    expect(data?.[0]).toMatchObject({ name: 'Art', id: null, metadata: null });
    expect(data?.[2]).toMatchObject({
      id: expect.any(String),
      metadata: { size: 5, mimetype: expect.any(String) },
    });
  });
});

describe('row-level security', () => {
  test('keeps the files of a user from everybody else', async () => {
    const name = path(alice, 'private.txt');
    await files(alice).upload(name, 'mine', { upsert: true });
    for (const stranger of [bob.client, target.client()]) {
      const bucket = stranger.storage.from(BUCKET);
      expect((await bucket.download(name)).error).toMatchObject({ status: 400 });
      expect((await bucket.list(`${alice.id}/app`)).data).toEqual([]);
      expect((await bucket.remove([name])).data).toEqual([]);
      expect((await bucket.createSignedUrl(name, 60)).error).toMatchObject({ status: 400 });
      expect((await bucket.copy(name, path(bob, 'stolen.txt'))).error).not.toBeNull();
      expect((await bucket.move(name, path(bob, 'stolen.txt'))).error).not.toBeNull();
      for (const options of [{}, { upsert: true }]) {
        const { error } = await bucket.upload(name, 'theirs', options);
        expect(error).toMatchObject({
          status: 400,
          statusCode: '403',
          message: expect.stringContaining('row-level'),
        });
      }
      expect((await bucket.update(name, 'theirs')).error).not.toBeNull();
    }
    expect(await (await files(alice).download(name)).data?.text()).toBe('mine');
    expect(await (await service.storage.from(BUCKET).download(name)).data?.text()).toBe('mine');
  });
});

describe('a signed URL', () => {
  test('opens one file to whoever has it, until it expires', async () => {
    const name = path(alice, 'signed.txt');
    await files(alice).upload(name, 'for you', { upsert: true });
    const { data } = await files(alice).createSignedUrl(name, 60, { download: 'notes.txt' });
    const response = await fetch(data?.signedUrl as string);
    expect([response.status, await response.text()]).toEqual([200, 'for you']);
    expect(response.headers.get('content-disposition')).toContain('notes.txt');

    const other = String(data?.signedUrl).replace('signed.txt', 'private.txt');
    expect((await fetch(other)).status).toBe(400);
    const short = await files(alice).createSignedUrl(name, 1);
    await expect
      .poll(async () => (await fetch(short.data?.signedUrl as string)).status, { timeout: 10_000 })
      .toBe(400);
  });

  test('is made for many, and says which are not there', async () => {
    const [name, missing] = [path(alice, 'many.txt'), path(alice, 'missing.txt')];
    await files(alice).upload(name, 'x', { upsert: true });
    const { data } = await files(alice).createSignedUrls([name, missing], 60);
    expect(data).toEqual([
      expect.objectContaining({ path: name, error: null, signedUrl: expect.stringContaining('token=') }),
      expect.objectContaining({ path: missing, error: expect.any(String), signedUrl: null }),
    ]);
  });

  test('lets somebody else upload one file', async () => {
    const name = path(alice, 'from-outside.txt');
    const { data } = await files(alice).createSignedUploadUrl(name);
    const outside = target.client().storage.from(BUCKET);
    const { error } = await outside.uploadToSignedUrl(name, data?.token as string, 'sent');
    expect(error).toBeNull();
    expect(await (await files(alice).download(name)).data?.text()).toBe('sent');
    const elsewhere = await outside.uploadToSignedUrl(path(alice, 'x.txt'), data?.token as string, 'sent');
    expect(elsewhere.error).toMatchObject({ status: 400 });
    expect((await files(bob).createSignedUploadUrl(path(alice, 'y.txt'))).error).toMatchObject({
      status: 400,
    });
  });
});

describe('a bucket', () => {
  test('is made, limited, filled, emptied and deleted with the secret key only', async () => {
    const id = `contract-${randomUUID()}`;
    const refused = await alice.client.storage.createBucket(id);
    expect(refused.error).toMatchObject({ status: 400, statusCode: '403' });
    const settings = { public: true, fileSizeLimit: 1000, allowedMimeTypes: ['image/*', 'text/css'] };
    expect((await service.storage.createBucket(id, settings)).error).toBeNull();
    expect((await service.storage.getBucket(id)).data).toMatchObject({
      id,
      public: true,
      file_size_limit: 1000,
    });
    expect((await service.storage.listBuckets()).data?.map(({ name }) => name)).toContain(id);
    expect((await alice.client.storage.getBucket(id)).error).toMatchObject({ message: 'Bucket not found' });

    const bucket = service.storage.from(id);
    const upload = (name: string, length: number, contentType: string) =>
      bucket.upload(name, Buffer.alloc(length, 'x'), { contentType });
    expect((await upload('a.png', 1000, 'image/png')).error).toBeNull();
    expect((await upload('b.png', 1001, 'image/png')).error).toMatchObject({ statusCode: '413' });
    expect((await upload('c.html', 10, 'text/html')).error).toMatchObject({
      statusCode: '415',
      message: 'mime type text/html is not supported',
    });
    expect((await bucket.list()).data?.map(({ name }) => name)).toEqual(['a.png']);

    const { publicUrl } = bucket.getPublicUrl('a.png').data;
    const response = await fetch(publicUrl);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect((await response.arrayBuffer()).byteLength).toBe(1000);
    await service.storage.updateBucket(id, { public: false });
    expect((await fetch(publicUrl)).status).toBe(400);

    expect((await service.storage.deleteBucket(id)).error).toMatchObject({ statusCode: '409' });
    expect((await service.storage.emptyBucket(id)).error).toBeNull();
    expect((await service.storage.deleteBucket(id)).error).toBeNull();
    expect((await bucket.upload('a.png', 'x')).error).toMatchObject({ message: 'Bucket not found' });
  });
});
