import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '@mobvibe/cli';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from './consumer.ts';

const tool = (name: string) => join(repositoryRoot, 'node_modules', '.bin', name);

const CATALOG = { pg: '8.23.1', uuid: '14.0.3' };
const MANIFEST = {
  dependencies: { pg: 'catalog:', '@mobvibe/other': 'workspace:*' },
  devDependencies: { uuid: 'catalog:' },
  peerDependencies: { '@supabase/supabase-js': '^2.100.0' },
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mobvibe-catalog-'));
  await cp(join(repositoryRoot, '.syncpackrc.json'), join(directory, '.syncpackrc.json'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A repository of two packages. */
async function write(catalog: Record<string, string>, manifest: object): Promise<void> {
  const entries = Object.entries(catalog).map(([name, version]) => `  ${name}: ${version}\n`);
  await writeFile(
    join(directory, 'pnpm-workspace.yaml'),
    `packages:\n  - packages/*\ncatalog:\n${entries.join('')}`,
  );
  const manifests = { some: manifest, other: {} };
  for (const [name, content] of [['.', {}], ...Object.entries(manifests)] as [string, object][]) {
    const folder = join(directory, name === '.' ? '.' : `packages/${name}`);
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, 'package.json'),
      JSON.stringify({ name: `@mobvibe/${name === '.' ? 'root' : name}`, version: '0.1.0', ...content }),
    );
  }
}

describe('`pnpm check` on versions', () => {
  test('takes the catalog, the packages of the repository, and ranges of peers', async () => {
    await write(CATALOG, MANIFEST);
    await run(directory, [tool('syncpack'), 'lint']);
  });

  test.each([
    ['dependencies', { pg: '8.23.1' }, 'pg'],
    ['devDependencies', { uuid: '^14.0.0' }, 'uuid'],
    ['dependencies', { execa: '9.6.0' }, 'execa'],
    ['optionalDependencies', { execa: '9.6.0' }, 'execa'],
    ['dependencies', { '@mobvibe/other': '0.1.0' }, '@mobvibe/other'],
  ])('refuses a version outside the catalog, in %s: %j', async (kind, versions, name) => {
    await write(CATALOG, { ...MANIFEST, [kind]: versions });
    await expect(run(directory, [tool('syncpack'), 'lint'])).rejects.toThrow(
      new RegExp(`${name}[\\s\\S]*packages/some/package\\.json at \\.${kind}`),
    );
  });

  test('refuses a range in the catalog', async () => {
    await write({ ...CATALOG, pg: '^8.23.1' }, MANIFEST);
    await expect(run(directory, [tool('syncpack'), 'lint'])).rejects.toThrow(
      /pg[\s\S]*pnpm-workspace\.yaml at \.catalog/,
    );
  });

  test('refuses an entry that nothing uses', async () => {
    await write({ ...CATALOG, execa: '9.6.0' }, MANIFEST);
    await expect(run(directory, [tool('knip'), '--include', 'catalog'])).rejects.toThrow(
      /Unused catalog entries \(1\)\s+execa/,
    );
    await write(CATALOG, MANIFEST);
    await run(directory, [tool('knip'), '--include', 'catalog']);
  });
});
