import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { createBlobs } from '../src/api/storage/blobs.ts';
import { directories } from './support.ts';

const temporary = directories();
afterAll(() => temporary.remove());

test('what a killed process was writing is gone at the next start, and what it had written is there', async () => {
  const directory = await temporary.make();
  const { version } = await (await createBlobs(directory)).receive(Readable.from([Buffer.from('whole')]), 10);
  writeFileSync(join(directory, `${crypto.randomUUID()}.part`), 'hal');
  const blobs = await createBlobs(directory);
  expect(readdirSync(directory)).toEqual([version]);
  const file = await blobs.open(version);
  expect(await file?.readFile('utf8')).toBe('whole');
  await file?.close();
});

test('a version that is no uuid is no file', async () => {
  const directory = await temporary.make();
  writeFileSync(join(directory, 'secret'), 'x');
  const blobs = await createBlobs(join(directory, 'storage'));
  expect(await blobs.open('../secret')).toBeUndefined();
  await blobs.remove(['../secret', null]);
  await expect(blobs.copy('../secret')).rejects.toThrow('no uuid');
  expect(readdirSync(directory)).toContain('secret');
});
