import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

const launcher = fileURLToPath(new URL('./run.mjs', import.meta.url));
const cache = fileURLToPath(new URL('../node_modules/.cache/run', import.meta.url));
let folder: string;
let entry: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'run-'));
  entry = join(folder, 'cli.ts');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  const digest = createHash('sha256').update(entry).digest('hex').slice(0, 12);
  rmSync(join(cache, `${basename(entry)}-${digest}`), { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const run = (...flags: string[]) =>
  spawnSync(process.execPath, [launcher, entry, ...flags], { encoding: 'utf8' });

test('runs a command as if Node had been given it: its arguments, its exit code, what lies beside it', () => {
  mkdirSync(join(folder, 'inner'));
  write('inner/part.ts', 'export const here: string = import.meta.url;');
  write(
    'cli.ts',
    `const { here } = await import('./inner/part.ts');
     console.log(JSON.stringify({ argv: process.argv.slice(1), here }));
     process.exitCode = 3;`,
  );
  // From the bundle that the first one made as well.
  for (const _ of [1, 2]) {
    const { stdout, status } = run('--scale', 'ci');
    expect(JSON.parse(stdout)).toEqual({
      argv: [entry, '--scale', 'ci'],
      here: pathToFileURL(join(folder, 'inner/part.ts')).href,
    });
    expect(status).toBe(3);
  }
});

test('sees a change in whatever the command imports', () => {
  write('part.ts', "export const text = 'before';");
  write('cli.ts', "import { text } from './part.ts'; console.log(text);");
  expect(run().stdout).toBe('before\n');
  expect(run().stdout).toBe('before\n');
  write('part.ts', "export const text = 'after';");
  expect(run().stdout).toBe('after\n');
  rmSync(join(folder, 'part.ts'));
  expect(run().status).toBe(1);
});

test('runs in several processes at once, each of which has to bundle it', async () => {
  const filler = Array.from({ length: 20_000 }, (_, index) => `'a line that takes its room ${index}',`).join(
    '\n',
  );
  write('part.ts', `export const lines = [${filler}];`);
  write('cli.ts', "const { lines } = await import('./part.ts'); console.log(lines.length);");
  const outputs = await Promise.all(
    Array.from({ length: 6 }, () => promisify(execFile)(process.execPath, [launcher, entry])),
  );
  expect(outputs.map(({ stdout }) => stdout)).toEqual(Array(6).fill('20000\n'));
});

test('says in two lines what it cannot bundle', () => {
  write('cli.ts', 'const = 1;');
  const { status, stderr } = run();
  expect(status).toBe(1);
  expect(stderr).toMatch(/error: .*cli\.ts cannot be bundled\nfix: .*\n$/);
});
