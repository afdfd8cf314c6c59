import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const command = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mobvibe-bench-'));
  // The server may run as another user.
  await chmod(directory, 0o755);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function start(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', command, ...args], {
    env: { ...process.env, DATABASE_URL: '', DIRECT_URL: '', TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.on('data', (text) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([exitCode]) => exitCode as number);
  return { child, output, ended };
}

test('lists the benchmarks', async () => {
  const { output, ended } = start('--help');
  expect(await ended).toBe(0);
  expect(output.stdout).toMatch(/^ {2}rls .*row-level security/m);
});

test('ends its server and removes its data on Ctrl-C', async () => {
  const { child, output, ended } = start('rls');
  const measuring = new Promise<void>((resolve) => {
    child.stderr.on('data', () => output.stderr.includes('measuring on') && resolve());
  });
  const data = async () => (await readdir(directory)).filter((name) => name.startsWith('mobvibe-postgres-'));
  await Promise.race([measuring, ended]);
  expect(await data(), output.stderr).toHaveLength(1);

  child.kill('SIGINT');
  expect(await ended, output.stderr).toBe(130);
  expect(output.stderr).toMatch(/error: interrupted\nfix: .*\n$/);
  expect(await data()).toEqual([]);
}, 120_000);
