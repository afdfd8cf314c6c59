import { objectName } from '@mobvibe/sync';
import { describe, expect, it } from 'vitest';
import { contentType } from '../../src/storage/content-type.ts';
import { metadataOf, readHoldings } from '../../src/storage/holdings.ts';
import { planUpload } from '../../src/storage/plan.ts';

describe('the name of a file in Storage', () => {
  const decoded = (name: string | undefined) => decodeURIComponent(name?.replaceAll('=', '%') ?? '');

  it.each([
    ['App.tsx', 'App.tsx'],
    ['app/(tabs)/_layout.tsx', 'app/(tabs)/_layout.tsx'],
    ['app/[id].tsx', 'app/=5Bid=5D.tsx'],
    ['100%.md', '100=25.md'],
    ['a=5Bb', 'a=3D5Bb'],
    ['~tmp/a b', '=7Etmp/a=20b'],
    ['ünïcödé/日本.ts', '=C3=BCn=C3=AFc=C3=B6d=C3=A9/=E6=97=A5=E6=9C=AC.ts'],
    ['a\nb?c#d', 'a=0Ab=3Fc=23d'],
  ])('says all of its path, and can be read back: %j', (path, name) => {
    expect(objectName(path)).toBe(name);
    expect(decoded(name)).toBe(path);
    // What the Storage API takes, and a URL needs no escape for.
    expect(name).toMatch(/^[\w/!\-.*'()=]+$/);
  });

  it.each([
    ...['', '/', '/etc/passwd', '../other/App.tsx', 'a/../../b', 'a/./b', 'a//b', 'a/', '..', '.'],
    ...['a\0b', '\ud800', `${'x'.repeat(200)}/`.repeat(4) + 'x'.repeat(200), 'ü'.repeat(200)],
  ])('is none where the path leads elsewhere, or cannot be said: %j', (path) => {
    expect(objectName(path)).toBeUndefined();
  });
});

it('a media type goes by the extension', () => {
  expect(contentType('app/App.TSX')).toBe('text/plain; charset=utf-8');
  expect(contentType('lib.ts')).toBe('text/plain; charset=utf-8');
  expect(contentType('app.json')).toBe('application/json; charset=utf-8');
  expect(contentType('assets/icon.png')).toBe('image/png');
  expect(contentType('Makefile')).toBe('application/octet-stream');
});

describe('what is uploaded', () => {
  const limits = { totalBytes: 100, recordBytes: 10_000 };
  const file = (path: string, size: number, hash: string | undefined = path) => ({ path, size, hash });
  const holdings = (held: Record<string, string | null>) => new Map(Object.entries(held));

  it('is what changed, or may be anything', () => {
    const held = holdings({ same: 'same', other: 'old', unknown: null, gone: 'gone' });
    const files = [file('same', 1), file('other', 1), file('unknown', 1), file('new', 1)];
    expect(planUpload(files, held, limits, true)).toEqual({
      upload: ['other', 'unknown', 'new'],
      remove: ['gone'],
      skipped: 0,
    });
  });

  it('is what fits, small files first, and an old version of what no longer does goes', () => {
    const files = [file('large', 60), file('middle', 50), file('small', 10), file('huge', 1_000)];
    expect(planUpload(files, holdings({ large: 'old', huge: 'old' }), limits, true)).toEqual({
      upload: ['small', 'middle'],
      remove: ['large', 'huge'],
      skipped: 2,
    });
    const tooLarge = { path: 'a', size: 1 };
    expect(planUpload([tooLarge, file('../b', 1)], holdings({ a: 'old' }), limits, true)).toEqual({
      upload: [],
      remove: ['a'],
      skipped: 2,
    });
  });

  it('is no more than can be recorded', () => {
    const files = [file('a'.repeat(100), 1), file('b'.repeat(100), 2)];
    const plan = planUpload(files, holdings({}), { ...limits, recordBytes: 200 }, true);
    expect(plan).toMatchObject({ upload: ['a'.repeat(100)], skipped: 1 });
  });

  it('goes by what the row says, whatever a file is called and whatever else is there', () => {
    const held = holdings({ 'a.txt': 'hash', 'b.txt': null })
      .set('__proto__', 'hash')
      .set('constructor', 'x');
    expect(readHoldings(JSON.parse(JSON.stringify(metadataOf(held))))).toEqual(held);
    for (const file_hashes of [undefined, null, 7, 'text', { a: 1 }])
      expect(readHoldings({ file_hashes })).toEqual(new Map());
  });

  it('does not take away what a sandbox need not know of', () => {
    const plan = planUpload([file('new', 1)], holdings({ lost: 'lost' }), limits, false);
    expect(plan).toEqual({ upload: ['new'], remove: [], skipped: 0 });
  });
});
