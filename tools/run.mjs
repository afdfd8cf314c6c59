// Runs a command of this repository: `node tools/run.mjs apps/seed/src/cli.ts --scale ci`. What it imports lies in one
// bundle, made again when a file of it has changed: tsx asks for each file by itself, half a second that `pnpm seed`
// would wait for before it begins.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const DAY_MS = 86_400_000;

const entry = resolve(process.argv[2] ?? '');
// As if Node had been given the command itself.
process.argv.splice(1, 2, entry);
if (process.env.MOBVIBE_DEBUG) process.setSourceMapsEnabled(true);

const name = `${basename(entry)}-${createHash('sha256').update(entry).digest('hex').slice(0, 12)}`;
const cache = join(root, 'node_modules/.cache/run', name);
const record = join(cache, 'bundle.json');

const bundle = fresh() ?? (await build());
if (bundle) await import(pathToFileURL(bundle).href);

/** The bundle that is there, unless a file that went into it is another one by now. */
function fresh() {
  try {
    /** @type {{ path: string, changed: Record<string, number> }} */
    const { path, changed } = JSON.parse(readFileSync(record, 'utf8'));
    return Object.entries(changed).every(([file, time]) => changedAt(file) === time) ? path : undefined;
  } catch {
    return undefined;
  }
}

async function build() {
  const esbuild = await import('esbuild');
  const began = Date.now();
  try {
    const { metafile, outputFiles } = await esbuild.build({
      absWorkingDir: root,
      entryPoints: [entry],
      // Each with its content in its name: whoever runs what was there before is not disturbed.
      entryNames: '[name]-[hash]',
      outdir: cache,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      sourcemap: true,
      metafile: true,
      write: false,
      logLevel: 'error',
      external: ['pg-native'],
      // For the packages that are CommonJS.
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
      plugins: [{ name: 'own-urls', setup: keepOwnUrls }],
    });
    mkdirSync(cache, { recursive: true });
    for (const { path, contents } of outputFiles) replace(path, contents);
    const [path] = Object.entries(metafile.outputs).flatMap(([file, { entryPoint }]) =>
      entryPoint && resolve(root, entryPoint) === entry ? [join(root, file)] : [],
    );
    const files = [...Object.keys(metafile.inputs), 'tools/run.mjs', 'pnpm-lock.yaml'];
    const changed = Object.fromEntries(files.map((file) => [file, changedAt(file)]));
    // Whether a file that changed meanwhile was read before that or after, nobody knows.
    if (Object.values(changed).every((time) => time < began))
      replace(record, JSON.stringify({ path, changed }));
    removeBefore(began - DAY_MS);
    return path;
  } catch (error) {
    if (!(error instanceof Error && 'errors' in error)) throw error;
    process.stderr.write(`error: ${entry} cannot be bundled\nfix: what esbuild says above\n`);
    process.exitCode = 1;
  }
}

/**
 * What reads a file beside itself finds it where it was.
 * @param {import('esbuild').PluginBuild} build
 */
function keepOwnUrls({ onLoad }) {
  onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const url = JSON.stringify(pathToFileURL(path).href);
    return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url), loader: 'ts' };
  });
}

/**
 * At once: another process may be reading it.
 * @param {string} path
 * @param {string | Uint8Array} contents
 */
function replace(path, contents) {
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, contents);
  renameSync(beside, path);
}

/** @param {string} file within the repository */
function changedAt(file) {
  return statSync(join(root, file)).mtimeMs;
}

/** @param {number} time before which bundles were made that nobody runs any more */
function removeBefore(time) {
  for (const file of readdirSync(cache)) {
    const path = join(cache, file);
    if (statSync(path).mtimeMs < time) rmSync(path, { force: true });
  }
}
