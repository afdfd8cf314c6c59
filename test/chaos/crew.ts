import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BreakableRoute, startProxy } from '../../apps/worker/test/proxy.ts';
import { NOT_STARTED, type WorkerOrder } from './order.ts';

export interface CrewOptions {
  /** The database as workers log in. */
  url: string;
  size: number;
  leaseMs: number;
  concurrency: number;
  /** For what the workers write while they live. */
  directory: string;
}

/** The workers, each in its place: when one ends, however it ends, another is started there. */
export interface Crew {
  /** Kills the worker of a place. @returns its id. */
  kill(place: number): Promise<string>;
  /** Stops it for so long, and tells its id meanwhile. */
  freeze(place: number, ms: number, onStopped: (workerId: string) => Promise<void>): Promise<void>;
  /** Asks it to end. */
  shutdown(place: number): Promise<void>;
  /** How it reaches the database, where that can be broken. */
  routeOf(place: number): BreakableRoute;
  /** Attempts by outcome, as the workers saw them end. */
  outcomes: Record<string, number>;
  /** Ends that nobody caused: a poison job's, by SIGKILL, and a worker's own, which should not be. */
  ended: { poisoned: number; crashed: string[] };
  /** Ends all workers in order, and starts no more. */
  close(): Promise<void>;
}

interface Post {
  place: number;
  route: BreakableRoute | undefined;
  workerId: string;
  child: ChildProcess;
  ready: Promise<unknown>;
  /** Whoever ends it says so. */
  isDoomed: boolean;
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const WRONG_CLOCK = new URL('wrong-clock.mjs', import.meta.url).href;
const HOUR = 3_600_000;
/** Hours by which the clock of each place is wrong. */
const CLOCKS = [0, 6, -6, 0];

export async function startCrew(options: CrewOptions): Promise<Crew> {
  const { url, size, leaseMs, concurrency, directory } = options;
  const temporary = join(directory, 'workers');
  await mkdir(temporary, { recursive: true });
  const outcomes: Record<string, number> = {};
  const ended: Crew['ended'] = { poisoned: 0, crashed: [] };
  const posts: Post[] = [];
  const running = new Set<ChildProcess>();
  let generation = 0;
  let closing = false;

  // Whatever ends this process: one that is stopped would never notice.
  const killAll = () => {
    for (const child of running) child.kill('SIGKILL');
  };
  process.on('exit', killAll);

  function launch(place: number, route: BreakableRoute | undefined): Post {
    const workerId = `chaos-${place}-${++generation}`;
    const order: WorkerOrder = { url: route?.url ?? url, workerId, leaseMs, concurrency };
    const clock = (CLOCKS[place % CLOCKS.length] as number) * HOUR;
    const preload = clock === 0 ? [] : ['--import', WRONG_CLOCK];
    const child = spawn(process.execPath, [...preload, '--import', 'tsx', WORKER], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: {
        ...process.env,
        CHAOS_WORKER: JSON.stringify(order),
        CHAOS_CLOCK_MS: String(clock),
        TMPDIR: temporary,
      },
    });
    running.add(child);
    const ready = new Promise((resolve) => child.once('message', resolve));
    const post: Post = { place, route, workerId, child, ready, isDoomed: false };
    let said = '';
    createInterface({ input: child.stderr as NonNullable<typeof child.stderr> }).on('line', (line) => {
      said = line;
      const outcome = /"outcome":"(\w+)"/.exec(line)?.[1];
      if (outcome) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    });
    child.once('close', (code, signal) => {
      running.delete(child);
      if (!post.isDoomed && signal === 'SIGKILL') ended.poisoned++;
      else if (!post.isDoomed && code !== NOT_STARTED) ended.crashed.push(`${workerId} (${code}): ${said}`);
      if (closing) return;
      // As a supervisor does: not at once, when there is no database.
      setTimeout(
        () => {
          if (!closing) posts[place] = launch(place, route);
        },
        code === NOT_STARTED ? 200 : 0,
      );
    });
    return post;
  }

  /** The post of a place, once its worker works. */
  async function at(place: number): Promise<Post> {
    for (;;) {
      const post = posts[place] as Post;
      await Promise.race([post.ready, gone(post.child)]);
      if (post === posts[place] && isAlive(post.child)) return post;
      await sleep(20);
    }
  }

  for (let place = 0; place < size; place++) {
    const route = place % 2 === 0 ? await startProxy(url) : undefined;
    posts.push(launch(place, route));
  }

  return {
    outcomes,
    ended,
    async kill(place) {
      const post = await at(place);
      post.isDoomed = true;
      post.child.kill('SIGKILL');
      await gone(post.child);
      return post.workerId;
    },
    async freeze(place, ms, onStopped) {
      const post = await at(place);
      post.child.kill('SIGSTOP');
      try {
        await Promise.all([onStopped(post.workerId), sleep(ms)]);
      } finally {
        post.child.kill('SIGCONT');
      }
    },
    async shutdown(place) {
      const post = await at(place);
      post.isDoomed = true;
      post.child.kill('SIGTERM');
      await gone(post.child);
    },
    routeOf(place) {
      const { route } = posts[place] as Post;
      if (!route) throw new Error(`worker ${place} has no route of its own`);
      return route;
    },
    async close() {
      closing = true;
      for (const post of posts) post.isDoomed = true;
      for (const child of running) child.kill('SIGTERM');
      const patience = setTimeout(killAll, 10_000);
      await Promise.all([...running].map(gone));
      clearTimeout(patience);
      process.off('exit', killAll);
      for (const { route } of posts) await route?.close();
    },
  };
}

const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

async function gone(child: ChildProcess): Promise<void> {
  if (isAlive(child)) await once(child, 'exit');
}
