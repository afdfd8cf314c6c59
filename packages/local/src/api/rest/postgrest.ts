import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, oneLine } from '@mobvibe/cli';
import getPort from 'get-port';
import { bareEnvironment } from '../../account.ts';
import { spawnWatched } from '../../watched.ts';
import { asRole } from '../database.ts';
import { publicKey, type StackKeys } from '../keys.ts';

const READY_SECONDS = 30;
const STOP_SECONDS = 5;
const LONGEST_PAUSE = 5_000;

export interface PostgrestOptions {
  binary: string;
  databaseUrl: string;
  keys: StackKeys;
  log(line: string): void;
}

/** A PostgREST that is started again whenever it ends. */
export interface Postgrest {
  /** Where it answers; waits while it is being restarted, undefined when that takes longer than `seconds`. */
  url(seconds: number): Promise<string | undefined>;
  close(): Promise<void>;
}

interface Instance {
  url: string;
  /** Resolves with the reason when the process is gone. */
  ended: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts PostgREST and keeps it running.
 * @throws CommandError when the first start fails.
 */
export async function supervisePostgrest(options: PostgrestOptions): Promise<Postgrest> {
  let stopping = false;
  let current: Instance | undefined = await launch(options);
  let waiting: ((url: string) => void)[] = [];

  const restart = async (reason: string) => {
    const died = performance.now();
    for (let pause = 50; !stopping && !current; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        current = await launch(options);
      } catch (error) {
        options.log(`PostgREST ${reason}, and does not start: ${oneLine(error)}`);
        await sleep(pause);
      }
    }
    if (stopping || !current) return;
    options.log(`PostgREST ${reason}: restarted in ${Math.round(performance.now() - died)} ms`);
    for (const wake of waiting.splice(0)) wake(current.url);
  };
  const supervise = async () => {
    while (current && !stopping) {
      const reason = await current.ended;
      current = undefined;
      await restart(reason);
    }
    await current?.stop();
  };
  const supervision = supervise();

  return {
    url: async (seconds) => {
      if (current) return current.url;
      let wake: ((url: string) => void) | undefined;
      const timer = new AbortController();
      const up = new Promise<string>((resolve) => {
        wake = resolve;
        waiting.push(resolve);
      });
      const late = sleep(seconds * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
      const url = await Promise.race([up, late]);
      timer.abort();
      waiting = waiting.filter((other) => other !== wake);
      return url ?? undefined;
    },
    close: async () => {
      stopping = true;
      await current?.stop();
      await supervision;
    },
  };
}

async function launch(options: PostgrestOptions): Promise<Instance> {
  const [port, adminPort] = [await getPort({ host: '127.0.0.1' }), await getPort({ host: '127.0.0.1' })];
  const child = spawnWatched(options.binary, [], {
    cwd: '/',
    env: { ...bareEnvironment(), ...settings(options, port, adminPort) },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let lastWords = '';
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  lines.on('line', (line) => {
    if (line.trim()) lastWords = line.trim();
  });
  let over = false;
  const ended = once(child, 'exit').then(
    ([code]) => {
      over = true;
      return describeEnd(code, lastWords);
    },
    (error) => {
      over = true;
      return `cannot be run (${error.message})`;
    },
  );
  const stop = async () => {
    // The watcher ends it when the pipe closes.
    child.stdin?.destroy();
    const late = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), STOP_SECONDS * 1000);
    await ended;
    clearTimeout(late);
  };

  const deadline = Date.now() + READY_SECONDS * 1000;
  while (!over) {
    if (await isReady(adminPort)) return { url: `http://127.0.0.1:${port}`, ended, stop };
    if (Date.now() > deadline) {
      await stop();
      throw new CommandError(
        `PostgREST was not ready after ${READY_SECONDS} s: ${lastWords || 'it said nothing'}`,
        'start again, or do without the API: pnpm local start --no-api',
      );
    }
    await sleep(20);
  }
  throw new CommandError(
    `PostgREST ${await ended}`,
    'start again, or do without the API: pnpm local start --no-api',
  );
}

// Ready: connected, and its picture of the schema is loaded.
async function isReady(adminPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${adminPort}/ready`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

// The shell that watches it says 128 + the number of the signal.
function describeEnd(code: number | null, lastWords: string): string {
  if (code === 137) return 'was killed';
  return `ended (code ${code})${lastWords && `: ${lastWords}`}`;
}

/** As on a hosted project: 1,000 rows an answer, only `public` and `graphql_public` exposed. */
function settings({ databaseUrl, keys }: PostgrestOptions, port: number, adminPort: number) {
  return {
    PGRST_DB_URI: asRole(databaseUrl, 'authenticator'),
    PGRST_DB_SCHEMAS: 'public,graphql_public',
    PGRST_DB_EXTRA_SEARCH_PATH: 'public,extensions',
    PGRST_DB_ANON_ROLE: 'anon',
    PGRST_DB_MAX_ROWS: '1000',
    PGRST_DB_POOL: '10',
    PGRST_DB_CHANNEL_ENABLED: 'true',
    PGRST_JWT_SECRET: JSON.stringify({
      keys: [
        publicKey(keys),
        { kty: 'oct', k: Buffer.from(keys.jwtSecret).toString('base64url'), alg: 'HS256' },
      ],
    }),
    PGRST_SERVER_HOST: '127.0.0.1',
    PGRST_SERVER_PORT: String(port),
    PGRST_ADMIN_SERVER_PORT: String(adminPort),
    // Requests hold what people wrote: only what ends it is worth a line.
    PGRST_LOG_LEVEL: 'crit',
  };
}
