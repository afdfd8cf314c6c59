import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { repositoryRoot } from '@mobvibe/cli';
import { createClient } from '@supabase/supabase-js';
import { publint } from 'publint';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startOwn } from '../api/target.ts';
import {
  type Consumer,
  examplesOf,
  inTarball,
  makeConsumer,
  namedExamplesOf,
  namesInTarball,
  pack,
  run,
} from './consumer.ts';

// The user that the examples sign in.
const DEMO = { email: 'demo@example.com', password: 'seed-password' };

let directory: string;
let tarballs: { db: string; sync: string };
let examples: Record<string, string>;
let syncExamples: string[];
let stack: Awaited<ReturnType<typeof startOwn>>;
let variables: Record<string, string>;
let withNpm: Consumer;
let withPnpm: Consumer;
/** What the compiler says of all examples; it leaves them as JavaScript in `out`. */
let complaints: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mobvibe-package-'));
  [tarballs, stack] = await Promise.all([packBoth(directory), startOwn()]);
  [withNpm, withPnpm] = await Promise.all([
    makeConsumer('npm', Object.values(tarballs), directory),
    makeConsumer('pnpm', Object.values(tarballs), directory),
  ]);
  // The READMEs as they are published.
  const readme = await inTarball(tarballs.db, 'README.md');
  examples = namedExamplesOf(readme);
  syncExamples = examplesOf(await inTarball(tarballs.sync, 'README.md'), 'ts');
  variables = await environmentOf(examplesOf(readme, 'dotenv').join());
  const files = Object.fromEntries(syncExamples.map((code, index) => [`sync-${index}.ts`, code]));
  const environmentFile = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  for (const consumer of [withNpm, withPnpm]) {
    await consumer.write({
      ...examples,
      ...files,
      'free-names.d.ts': FREE_NAMES,
      '.env': environmentFile.join(''),
    });
  }
  [complaints] = await Promise.all([
    withNpm.check(['free-names.d.ts', ...Object.keys(examples), ...Object.keys(files)], {
      module: 'nodenext',
      outDir: 'out',
      ...WITH_DOM,
    }),
    signUp(),
  ]);
}, 240_000);

afterAll(async () => {
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function packBoth(to: string): Promise<typeof tarballs> {
  const [db, sync] = await Promise.all([pack('db', to), pack('sync', to)]);
  return { db, sync };
}

/** What the README's `.env` has, with the values of our stack. */
async function environmentOf(example: string): Promise<Record<string, string>> {
  const database = Object.assign(new URL(stack.database.url), {
    username: 'mobvibe_app',
    password: 'mobvibe_app',
  });
  const ours: Record<string, string> = { ...stack.environment, DATABASE_URL: database.href };
  const names = [...example.matchAll(/^(\w+)=/gm)].map(([, name = '']) => name);
  return Object.fromEntries(names.map((name) => [name, ours[name] ?? '']));
}

/** The user of the examples, and another with a project that the first must not see. */
async function signUp(): Promise<void> {
  const { api, keys, database } = stack;
  const service = createClient(api.url, keys.secretKey, {
    auth: { persistSession: false },
    realtime: { transport: WebSocket as never },
  });
  const made = await service.auth.admin.createUser({ ...DEMO, email_confirm: true });
  if (made.error) throw made.error;
  const stranger = await database.createUser();
  await database.asUser(stranger, (client) =>
    client.query("insert into public.projects (name) values ('A stranger’s')"),
  );
}

/** What an example takes for given, because every application has it. */
const FREE_NAMES = `
  declare const supabase: import('@supabase/supabase-js').SupabaseClient;
  declare const sessionId: string;
  declare const lastSeqShown: number;
  declare const id: string;
  declare function show(seq: number, type: string, payload: unknown): void;
  declare function setOnline(online: boolean): void;
  declare function render(): void;
`;

const BUNDLER = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };
// supabase-js names types of a browser, and not all of its own agree with them.
const WITH_DOM = { lib: ['es2023', 'dom', 'dom.iterable'] };
const notOfSupabase = (line: string) => !line.startsWith('node_modules/') || line.includes('/@mobvibe/');

describe('what would be published', () => {
  test.each(['db', 'sync'] as const)('%s names nothing of this repository', async (name) => {
    const manifest = JSON.parse(await inTarball(tarballs[name], 'package.json'));
    expect(manifest).toMatchObject({ name: `@mobvibe/${name}`, license: 'UNLICENSED' });
    expect(manifest.private).toBeUndefined();
    expect(JSON.stringify([manifest.dependencies, manifest.peerDependencies])).not.toMatch(
      /workspace:|catalog:|@mobvibe/,
    );
    const stray = (await namesInTarball(tarballs[name])).filter(
      (path) => !/^package\/(package\.json|README\.md|dist\/\S+(\.js|\.d\.ts))$/.test(path),
    );
    expect(stray).toEqual([]);
    expect((await run('.', ['tar', '-xzOf', tarballs[name]])).includes(repositoryRoot)).toBe(false);
  });

  test.each(['db', 'sync'] as const)('%s is found by every resolution of ES modules', async (name) => {
    const tarball = await readFile(tarballs[name]);
    const { messages } = await publint({ pack: { tarball: toArrayBuffer(tarball) }, strict: true });
    expect(messages).toEqual([]);

    const checked = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
    const problems = 'problems' in checked ? checked.problems : [];
    // It has no other modules.
    const expected = ['node10', 'node16-cjs'];
    expect(
      problems.filter((found) => !('resolutionKind' in found && expected.includes(found.resolutionKind))),
    ).toEqual([]);
    expect(checked.types).toBeTruthy();
  });
});

describe('what the types say', () => {
  test('all examples are right for Node, installed by npm', () => {
    expect(Object.keys(examples)).toEqual(['first.ts', 'projects.ts', 'options.ts']);
    expect(syncExamples.length).toBeGreaterThan(3);
    expect(complaints.filter(notOfSupabase)).toEqual([]);
  });

  test('alone @mobvibe/db needs no types but Node’s, installed by pnpm', async () => {
    const found = await withPnpm.check(['projects.ts', 'options.ts'], BUNDLER);
    expect(found).toEqual([]);
  });

  test('the phone’s examples are right with a bundler, and a wrong type is noticed', async () => {
    await withPnpm.write({
      'wrong.ts': `
        import { createAppClient, type UserClient } from '@mobvibe/db';
        import type { ProjectRow } from '@mobvibe/sync';
        const mine: UserClient = createAppClient().asAnon();
        export const wrongly: number[] = (await mine.project.findMany()).map(({ name }) => name);
        export const alsoWrongly = (row: ProjectRow): number => row.name;
        await mine.project.create({ data: { title: 'Notes' } });
      `,
    });
    const files = ['free-names.d.ts', 'wrong.ts', ...syncExamples.map((_, index) => `sync-${index}.ts`)];
    const found = await withPnpm.check(files, { ...BUNDLER, ...WITH_DOM });
    expect(found.filter(notOfSupabase).map((line) => /^wrong\.ts.*(TS\d+)/.exec(line)?.[1])).toEqual([
      'TS2322',
      'TS2322',
      'TS2353',
    ]);
  });
});

describe('what the examples do', () => {
  test('the first query sees own rows only, installed by npm', async () => {
    const said = await run(withNpm.directory, [...NODE, '--env-file=.env', 'out/first.js']);
    expect(said).toContain('My first');
    expect(said).not.toContain('stranger');
  });

  test('so it does on Node 24, installed by pnpm, as TypeScript', async ({ skip }) => {
    const node = await node24();
    if (!node) {
      console.warn('Node 24 cannot be fetched from the registry: the packages are NOT tested on it');
      return skip();
    }
    const said = await run(withPnpm.directory, [node, '--env-file=.env', 'first.ts']);
    expect(said).toContain('My first');
    expect(said).not.toContain('stranger');
  });

  test('the server answers whoever has a token, and nobody else', async () => {
    await withNpm.write({
      'ask.mjs': `
        import { projects } from './out/projects.js';
        const ask = async (token) => {
          const answer = await projects(new Request('http://here/', { headers: { authorization: 'Bearer ' + token } }));
          return [answer.status, (await answer.text()).includes('stranger')];
        };
        console.log(JSON.stringify([await ask(process.env.TOKEN), await ask('nonsense')]));
        process.exit();
      `,
    });
    const TOKEN = await signIn();
    expect(
      JSON.parse(await run(withNpm.directory, [...NODE, '--env-file=.env', 'ask.mjs'], { TOKEN })),
    ).toEqual([
      [200, false],
      [401, false],
    ]);
  });

  test('a background task pulls own rows only', async () => {
    await stack.database.asUser(await userId(), (client) =>
      client.query("insert into public.projects (name) values ('To be pulled')"),
    );
    const index = syncExamples.findIndex((code) => code.includes('await pullChanges('));
    await withNpm.write({
      'signed-in.mjs': `
        import { createClient } from '@supabase/supabase-js';
        globalThis.supabase = createClient(process.env.SUPABASE_URL, process.env.SUPABASE_PUBLISHABLE_KEY, {
          accessToken: async () => process.env.TOKEN,
        });
      `,
    });
    const said = await run(
      withNpm.directory,
      [...NODE, '--env-file=.env', '--import', './signed-in.mjs', `out/sync-${index}.js`],
      { TOKEN: await signIn() },
    );
    expect(said).toContain('To be pulled');
    expect(said).not.toContain('stranger');
  });
});

test('a browser gets the enums and the sync, and nothing of a server', async () => {
  await withNpm.write({
    'browser.ts': "export { options } from './options.ts';\nexport * from '@mobvibe/sync';\n",
  });
  const built = await build({
    root: withNpm.directory,
    configFile: false,
    logLevel: 'error',
    build: {
      write: true,
      outDir: 'bundle',
      minify: false,
      // Whatever is imported counts, and not only what is left of it.
      rolldownOptions: { treeshake: false },
      lib: { entry: 'browser.ts', formats: ['es'], fileName: 'bundle' },
    },
  });
  const chunks = [built].flat().flatMap((result) => ('output' in result ? result.output : []));
  const modules = chunks.flatMap((chunk) => ('modules' in chunk ? Object.keys(chunk.modules) : []));
  expect(
    modules.filter((path) => /prisma|\/pg(-\w+)?\/|generated\/(?!enums)|__vite-browser-external/.test(path)),
  ).toEqual([]);
  // Nothing is left to be found at run time.
  expect(chunks.flatMap((chunk) => ('imports' in chunk ? chunk.imports : []))).toEqual([]);

  const bundle = await import(pathToFileURL(join(withNpm.directory, 'bundle/bundle.js')).href);
  expect(bundle.options).toEqual([
    { value: 'active', label: 'Active' },
    { value: 'archived', label: 'Archived' },
  ]);
  expect(bundle.createMemoryStore().projects.size).toBe(0);
});

// Of its own accord Node 20 has no WebSocket; later ones ignore it.
const NODE = [process.execPath, '--experimental-websocket'];

const node24 = (): Promise<string | undefined> =>
  run(directory, ['npx', '-y', 'node@24', '-p', 'process.execPath']).then(
    (said) => said.trim(),
    () => undefined,
  );

const toArrayBuffer = ({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer =>
  buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;

async function signIn(): Promise<string> {
  const client = createClient(stack.api.url, stack.keys.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket as never },
  });
  const { data, error } = await client.auth.signInWithPassword(DEMO);
  if (error) throw error;
  return data.session.access_token;
}

async function userId(): Promise<string> {
  const { rows } = await stack.database.sql.query('select id from auth.users where email = $1', [DEMO.email]);
  return rows[0].id;
}
