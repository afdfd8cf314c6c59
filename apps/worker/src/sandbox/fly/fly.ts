import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { jobError } from '../../executor/job-errors.ts';
import { type Exec, openMachine } from '../machine/machine.ts';
import { PREVIEW_FILE, PREVIEW_PORT, readPreview } from '../preview.ts';
import { MAX_FILES, type Sandbox, type Sandboxes, type SandboxSession } from '../sandbox.ts';
import {
  createFlyClient,
  type FlyClientOptions,
  type FlyMachine,
  isConflict,
  isFlyError,
  isNotFound,
  isPassing,
} from './client.ts';

export interface FlySandboxesOptions extends FlyClientOptions {
  /** Has Node, bash and git, and starts nothing by itself. */
  image?: string | undefined;
  region?: string | undefined;
  /**
   * Where a router of the operator's shows a machine's app, `{machine}` standing for the machine's id:
   * `https://{machine}.preview.example.com`.
   */
  previewUrl?: string | undefined;
  /** The port at which the agent serves the app on its machine. */
  previewPort?: number;
  /** Which database the sessions are in (`databaseId`). */
  database?: string;
  /** How long a machine may take to start before another one is made. */
  startTimeoutMs?: number;
}

const ID_PREFIX = 'fly:';
const ATTEMPTS = 5;

/**
 * Sandboxes as Fly Machines, one for each session, in one Fly app. They are found by their metadata, so that
 * neither a lost answer nor a second worker makes a second machine.
 */
export function openFlySandboxes(options: FlySandboxesOptions): Sandboxes {
  const { database = '', startTimeoutMs = 180_000, retryDelayMs = 500 } = options;
  const client = createFlyClient(options);

  /** The machine of a session, made if there is none, whatever its state. */
  async function findOrCreate(session: SandboxSession, signal?: AbortSignal): Promise<FlyMachine> {
    for (let attempt = 1; ; attempt++) {
      const found = await find(session, signal);
      if (found) return found;
      try {
        return await client.create(machineOf(session, { ...options, database }));
      } catch (error) {
        // Its name is taken (another worker was quicker), or nobody knows whether it was made: look again.
        const mayExist = isPassing(error) || isNameTaken(error);
        if (!mayExist || attempt === ATTEMPTS) throw error;
        const delay = (isFlyError(error) && error.retryAfterMs) || retryDelayMs * 2 ** (attempt - 1);
        await sleep(delay, undefined, { signal });
      }
    }
  }

  async function find({ id, sandboxId }: SandboxSession, signal?: AbortSignal) {
    if (sandboxId?.startsWith(ID_PREFIX)) {
      const known = await client.get(sandboxId.slice(ID_PREFIX.length), signal).catch((error) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (known && isAlive(known) && sessionOf(known) === id) return known;
    }
    const machines = await client.list({ mobvibe_session: id }, signal);
    return machines
      .filter(isAlive)
      .sort((one, other) => one.created_at.getTime() - other.created_at.getTime())[0];
  }

  /** @throws ExecutorError when it does not start in time; it is destroyed then, and the next attempt makes another. */
  async function ensureStarted(id: string, signal?: AbortSignal): Promise<void> {
    const end = performance.now() + startTimeoutMs;
    while (performance.now() < end) {
      const { state } = await client.get(id, signal);
      if (state === 'started') return;
      if (state === 'stopped' || state === 'suspended')
        await client.start(id, signal).catch(unless(isConflict));
      const seconds = Math.min(20, (end - performance.now()) / 1000);
      await client.wait(id, 'started', seconds, signal).catch(unless(isPassing, isConflict, isBadRequest));
      // An API that refuses to wait answers at once.
      await sleep(retryDelayMs, undefined, { signal });
    }
    await client.destroy(id);
    throw jobError('sandbox_unavailable', { cause: `machine ${id} did not start in time` });
  }

  function execOn(id: string): Exec {
    return async (command, { stdin, signal }) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await client.exec(id, command, { stdin, signal });
        } catch (error) {
          signal?.throwIfAborted();
          // It stopped by itself: its disk is still there.
          if (!isConflict(error) || attempt === 3) throw describe(error);
          await ensureStarted(id, signal).catch((second) => {
            throw describe(second);
          });
        }
      }
    };
  }

  async function open(session: SandboxSession, signal?: AbortSignal): Promise<Sandbox> {
    const { id } = await findOrCreate(session, signal);
    await ensureStarted(id, signal);
    const machine = await openMachine(execOn(id), session.id);
    const { previewPort = PREVIEW_PORT } = options;
    return {
      id: ID_PREFIX + id,
      project: machine.project,
      home: machine.home,
      machine,
      async preview() {
        const { content, serving } = await machine.preview(PREVIEW_FILE, previewPort);
        return { ...(serving && { webviewUrl: webviewUrl(id, options) }), ...readPreview(content) };
      },
      files: () => machine.files(MAX_FILES),
      fingerprints: (mostBytes) => machine.fingerprints(MAX_FILES, mostBytes),
      read: (paths, mostBytes) => machine.fetch(paths, mostBytes),
    };
  }

  return {
    open: (session, signal) =>
      open(session, signal).catch((error) => {
        signal?.throwIfAborted();
        throw describe(error);
      }),
    async list() {
      const machines = await client.list({ mobvibe_role: 'sandbox' });
      return machines.filter(isAlive).flatMap(({ id, created_at: createdAt, config }) => {
        const { mobvibe_session: sessionId = '', mobvibe_database: database } = config?.metadata ?? {};
        // Somebody else's machine in the same app.
        if (!z.guid().safeParse(sessionId).success) return [];
        return [{ id: ID_PREFIX + id, sessionId, createdAt, ...(database && { database }) }];
      });
    },
    async end(id) {
      if (id.startsWith(ID_PREFIX)) await client.destroy(id.slice(ID_PREFIX.length));
    },
  };
}

/** What the machine of a session is made of. */
function machineOf(session: SandboxSession, options: FlySandboxesOptions & { database: string }) {
  const { image = 'node:22-bookworm', region, previewPort = PREVIEW_PORT, database } = options;
  return {
    // Unique within the app: two workers at once make one machine.
    name: `session-${session.id}`,
    ...(region && { region }),
    config: {
      image,
      // The file system survives a stop: it is where the app and the conversation are.
      guest: { cpu_kind: 'shared', cpus: 2, memory_mb: 2048, persist_rootfs: 'always' },
      init: { exec: ['/bin/sleep', 'inf'] },
      auto_destroy: false,
      restart: { policy: 'no' },
      metadata: {
        mobvibe_role: 'sandbox',
        mobvibe_session: session.id,
        mobvibe_project: session.projectId,
        mobvibe_database: database,
      },
      services: [
        {
          protocol: 'tcp',
          internal_port: previewPort,
          // Only the worker starts and stops a machine.
          autostart: false,
          autostop: 'off',
          ports: [
            { port: 443, handlers: ['tls', 'http'] },
            { port: 80, handlers: ['http'], force_https: true },
          ],
        },
      ],
    },
  };
}

/**
 * Fly's proxy spreads an app's requests over its machines, unless the header `fly-force-instance-id` names one:
 * without a router, the address carries the id for the client to send.
 */
function webviewUrl(id: string, { app, previewUrl }: FlySandboxesOptions): string {
  if (previewUrl) return previewUrl.replaceAll('{machine}', id);
  return `https://${app}.fly.dev/?fly-force-instance-id=${id}`;
}

const sessionOf = (machine: FlyMachine) => machine.config?.metadata?.mobvibe_session;

const isAlive = ({ state }: FlyMachine) =>
  !['destroying', 'destroyed', 'replacing', 'replaced'].includes(state);

const isBadRequest = (error: unknown) => isFlyError(error) && error.status === 400;

const isNameTaken = (error: unknown) =>
  isFlyError(error) &&
  (error.status === 409 || error.status === 422) &&
  /already exists/i.test(error.message);

const unless =
  (...expected: ((error: unknown) => boolean)[]) =>
  (error: unknown) => {
    if (!expected.some((matches) => matches(error))) throw error;
  };

/** The failure as the job's owner may read it. */
function describe(error: unknown): unknown {
  if (!isFlyError(error)) return error;
  if (error.status === 401 || error.status === 403) return jobError('sandbox_refused', { cause: error });
  if (isNotFound(error)) return jobError('sandbox_lost', { cause: error });
  return jobError('sandbox_unavailable', { cause: error });
}
