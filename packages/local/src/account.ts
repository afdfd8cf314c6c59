import { type ExecFileOptions, execFile, spawnSync } from 'node:child_process';
import { CommandError } from '@mobvibe/cli';

/** The operating-system user that runs the server in place of root, whom Postgres refuses. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

const STAND_IN = 'nobody';

/**
 * Who runs the server: undefined means the user of this process.
 * @throws CommandError when that is root and there is no unprivileged user to run it instead.
 */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const { stdout } = spawnSync('id', [STAND_IN], { encoding: 'utf8' });
  const [, uid, gid] = /^uid=(\d+).*? gid=(\d+)/.exec(stdout ?? '') ?? [];
  if (!uid || !gid) {
    throw new CommandError(
      `Postgres does not run as root, and there is no user ${STAND_IN} to run it instead`,
      'run this as an ordinary user, or set DATABASE_URL',
    );
  }
  // macOS counts these two from the other end: 4294967294 is -2.
  return { name: STAND_IN, uid: Number(uid) | 0, gid: Number(gid) | 0 };
}

/** The spawn options that run a command as `account`. */
export function asAccount(account: Account | undefined): { uid?: number; gid?: number } {
  return account ? { uid: account.uid, gid: account.gid } : {};
}

/** Nothing of this process's environment concerns the server, and some of it is secret. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C' };
}

/** Whether `account` can enter a directory: every directory above it counts, and only the system knows them all. */
export function canEnter(directory: string, account: Account | undefined): boolean {
  if (!account) return true;
  const probe = spawnSync('test', ['-x', directory], { ...asAccount(account), cwd: '/' });
  return probe.status === 0;
}

export interface Output {
  /** Exit code, or the error code when the command could not be run at all (`EACCES`, `ENOENT`). */
  code: number | string;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end, as `account`, and returns what it said. */
export function run(
  command: string,
  args: string[],
  account: Account | undefined,
  options: ExecFileOptions = {},
): Promise<Output> {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd: '/', env: bareEnvironment(), ...asAccount(account), ...options },
      (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? 1) : 0, stdout: String(stdout), stderr: String(stderr) }),
    );
  });
}
