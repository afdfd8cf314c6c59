import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HttpBindings, serve } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { endProcesses } from '../../src/sandbox/processes.ts';

export type Action = 'list' | 'get' | 'create' | 'start' | 'stop' | 'wait' | 'exec' | 'destroy';

/** What goes wrong with one request: an answer without the work, the work without an answer, or neither. */
export type Fault =
  | { status: number; message?: string; retryAfter?: string }
  | { lostAnswer: true }
  | { hang: true }
  | { nonsense: true };

export interface FlyServerOptions {
  token?: string;
  app?: string;
  /** How long a machine takes to start; never, when infinite. */
  startMs?: number;
  /** Enforce the API's limits: one request a second for each action on a machine, three at once. */
  rateLimit?: boolean;
}

interface Machine {
  id: string;
  name: string;
  state: 'created' | 'started' | 'stopped' | 'destroyed';
  created_at: string;
  config: MachineConfig;
  directory: string;
}

const createRequest = z.object({
  name: z.string().max(63),
  region: z.string().optional(),
  config: z.object({
    image: z.string(),
    guest: z
      .looseObject({ persist_rootfs: z.enum(['never', 'restart', 'always']).default('never') })
      .prefault({}),
    metadata: z.record(z.string(), z.string()).default({}),
    services: z.array(z.looseObject({ internal_port: z.int() })).default([]),
    env: z.record(z.string(), z.string()).default({}),
    auto_destroy: z.boolean().default(false),
  }),
});
type MachineConfig = z.infer<typeof createRequest>['config'];

const execRequest = z.object({
  command: z.array(z.string()).min(1),
  stdin: z.string().default(''),
  timeout: z.int().max(60).default(60),
});

export type FlyServer = Awaited<ReturnType<typeof startFlyServer>>;

/**
 * A Machines API on loopback, with the state, the rules and the errors of Fly's. A machine is a directory and its
 * programs are processes of this machine: there is no chroot, so `MOBVIBE_ROOT` says where its disk is.
 */
export async function startFlyServer(options: FlyServerOptions = {}) {
  const { token = 'fly-secret-token', app: appName = 'sandboxes', startMs = 0, rateLimit = false } = options;
  const root = await mkdtemp(join(tmpdir(), 'fly-server-'));
  const machines = new Map<string, Machine>();
  const faults: { action: Action; fault: Fault }[] = [];
  const requests: { action: Action; status: number }[] = [];
  const buckets = new Map<string, { tokens: number; at: number }>();
  let startDelay = startMs;

  type Handled = { status: 200 | 400 | 404 | 408 | 409 | 412 | 422; body: unknown };
  const refuse = (status: Handled['status'], error: string): Handled => ({ status, body: { error } });
  const view = ({ directory: _, ...machine }: Machine) => machine;

  function handle(action: Action, work: (machine: Machine, context: Context) => Promise<Handled> | Handled) {
    return async (context: Context<{ Bindings: HttpBindings }>) => {
      const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => {
        requests.push({ action, status });
        return context.json(body as object, status as 200, headers);
      };
      if (context.req.header('authorization') !== `Bearer ${token}`) {
        return answer(401, { error: 'unauthorized' });
      }
      if (context.req.param('app') !== appName) return answer(404, { error: 'app not found' });
      const index = faults.findIndex((planned) => planned.action === action);
      const fault = index < 0 ? undefined : faults.splice(index, 1)[0]?.fault;
      if (fault && 'hang' in fault) {
        requests.push({ action, status: 0 });
        return RESPONSE_ALREADY_SENT;
      }
      if (fault && 'nonsense' in fault) return answer(200, '<html>');
      if (fault && 'status' in fault) {
        const headers = fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter };
        return answer(fault.status, { error: fault.message ?? 'injected' }, headers);
      }
      const id = context.req.param('id') ?? '';
      if (rateLimit && !withinLimit(`${action} ${id}`)) {
        return answer(429, { error: 'rate limit exceeded' }, { 'retry-after': '1' });
      }
      const machine = machines.get(id);
      if (id && (!machine || (machine.state === 'destroyed' && action !== 'get'))) {
        return answer(404, { error: 'not_found: machine not found' });
      }
      const { status, body } = await work(machine as Machine, context);
      if (fault && 'lostAnswer' in fault) {
        requests.push({ action, status: 0 });
        context.env.outgoing.destroy();
        return RESPONSE_ALREADY_SENT;
      }
      return answer(status, body);
    };
  }

  function withinLimit(kind: string): boolean {
    const now = performance.now();
    const [perSecond, burst] = kind.startsWith('get ') ? [5, 10] : [1, 3];
    const { tokens, at } = buckets.get(kind) ?? { tokens: burst, at: now };
    const filled = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    // A request that was sent in time may arrive closer behind the one before it.
    const isWithin = filled >= 0.9;
    buckets.set(kind, { tokens: isWithin ? filled - 1 : filled, at: now });
    return isWithin;
  }

  function boot(machine: Machine): void {
    machine.state = 'created';
    if (Number.isFinite(startDelay)) {
      setTimeout(() => {
        if (machine.state === 'created') machine.state = 'started';
      }, startDelay);
    }
  }

  async function halt(machine: Machine, state: 'stopped' | 'destroyed'): Promise<void> {
    machine.state = state;
    await endProcesses(`FLY_MACHINE_ID=${machine.id}`);
    // What a stopped machine had on its disk is gone, unless it is to persist.
    if (state === 'destroyed' || machine.config.guest.persist_rootfs === 'never') {
      await rm(machine.directory, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async function exec(machine: Machine, request: z.infer<typeof execRequest>): Promise<Handled> {
    await mkdir(machine.directory, { recursive: true });
    const [command = '', ...rest] = request.command;
    const child = spawn(command === 'node' ? process.execPath : command, rest, {
      cwd: machine.directory,
      env: {
        PATH: process.env.PATH,
        ...machine.config.env,
        FLY_MACHINE_ID: machine.id,
        MOBVIBE_ROOT: join(machine.directory, 'mobvibe'),
      },
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, request.timeout * 1000);
    child.stdin.on('error', () => {}).end(request.stdin);
    const [stdout, stderr, exit_code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? 137))),
    ]);
    clearTimeout(timer);
    if (timedOut) return refuse(408, 'deadline_exceeded: command timed out');
    if (machine.state !== 'started') return refuse(412, 'failed_precondition: machine is not started');
    return { status: 200, body: { exit_code, stdout, stderr } };
  }

  const routes = new Hono<{ Bindings: HttpBindings }>().basePath('/v1/apps/:app/machines');
  routes.get(
    '/',
    handle('list', (_, { req }) => {
      const wanted = Object.entries(req.query()).filter(([key]) => key.startsWith('metadata.'));
      const found = [...machines.values()].filter(
        ({ state, config }) =>
          state !== 'destroyed' &&
          wanted.every(([key, value]) => config.metadata[key.slice('metadata.'.length)] === value),
      );
      return { status: 200, body: found.map(view) };
    }),
  );
  routes.post(
    '/',
    handle('create', async (_, { req }) => {
      const { name, config } = createRequest.parse(await req.json());
      const same = [...machines.values()].find((other) => other.name === name && other.state !== 'destroyed');
      if (same) {
        return refuse(
          409,
          `already_exists: unique machine name violation, machine ID ${same.id} already exists with name "${name}"`,
        );
      }
      const id = randomBytes(7).toString('hex');
      const directory = join(root, id);
      const created_at = new Date().toISOString();
      const machine: Machine = { id, name, state: 'created', created_at, config, directory };
      machines.set(id, machine);
      boot(machine);
      return { status: 200, body: view(machine) };
    }),
  );
  routes.get(
    '/:id',
    handle('get', (machine) => ({ status: 200, body: view(machine) })),
  );
  routes.post(
    '/:id/start',
    handle('start', (machine) => {
      if (machine.state === 'started') return refuse(412, 'failed_precondition: machine already started');
      const previous_state = machine.state;
      boot(machine);
      return { status: 200, body: { previous_state } };
    }),
  );
  routes.post(
    '/:id/stop',
    handle('stop', async (machine) => {
      await halt(machine, 'stopped');
      return { status: 200, body: { ok: true } };
    }),
  );
  routes.get(
    '/:id/wait',
    handle('wait', async (machine, { req }) => {
      const seconds = Number(req.query('timeout') ?? 60);
      if (!(seconds >= 1 && seconds <= 60)) return refuse(400, 'invalid_argument: timeout not in [1s, 1m0s]');
      const end = performance.now() + seconds * 1000;
      while (machine.state !== req.query('state')) {
        if (performance.now() > end) return refuse(408, 'deadline_exceeded: timeout waiting for the state');
        await sleep(10);
      }
      return { status: 200, body: { ok: true } };
    }),
  );
  routes.post(
    '/:id/exec',
    handle('exec', async (machine, { req }) => {
      if (machine.state !== 'started') return refuse(412, 'failed_precondition: machine is not started');
      return exec(machine, execRequest.parse(await req.json()));
    }),
  );
  routes.delete(
    '/:id',
    handle('destroy', async (machine, { req }) => {
      if (machine.state === 'started' && req.query('force') !== 'true') {
        return refuse(412, 'failed_precondition: machine is not stopped');
      }
      await halt(machine, 'destroyed');
      return { status: 200, body: { ok: true } };
    }),
  );
  routes.onError((error, context) => {
    requests.push({ action: 'get', status: 400 });
    return context.json({ error: `invalid_argument: ${error.message}` }, 400);
  });

  const server = serve({ fetch: routes.fetch, hostname: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    app: appName,
    /** What was asked and answered (0: not at all), in order. */
    requests,
    count: (action: Action) => requests.filter((request) => request.action === action).length,
    /** The machines that are not destroyed. */
    machines: () => [...machines.values()].filter(({ state }) => state !== 'destroyed'),
    /** Lets the next requests of an action fail, in order. */
    fail(action: Action, ...planned: Fault[]) {
      faults.push(...planned.map((fault) => ({ action, fault })));
    },
    startAfter(ms: number) {
      startDelay = ms;
    },
    /** A machine's own program ends, or its host fails. */
    async crash(id: string) {
      const machine = machines.get(id);
      if (machine) await halt(machine, 'stopped');
    },
    async vanish(id: string) {
      const machine = machines.get(id);
      if (machine) await halt(machine, 'destroyed');
    },
    /** Where a path of a machine's disk is. */
    disk: (id: string, ...path: string[]) => join(root, id, 'mobvibe', ...path),
    async close() {
      for (const machine of machines.values()) await halt(machine, 'destroyed');
      await new Promise((resolve) => {
        server.close(resolve);
        if ('closeAllConnections' in server) server.closeAllConnections();
      });
      await rm(root, { recursive: true, force: true });
    },
  };
}
