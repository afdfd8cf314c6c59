import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { z } from 'zod';

/** https://docs.machines.dev; states: https://fly.io/docs/machines/machine-states/ */
const machine = z.object({
  id: z.string(),
  name: z.string(),
  state: z.string(),
  created_at: z.coerce.date(),
  config: z.object({ metadata: z.record(z.string(), z.string()).nullish() }).nullish(),
});
const execResult = z.object({
  exit_code: z.int().default(0),
  stdout: z.string().nullish(),
  stderr: z.string().nullish(),
});
const problem = z.object({ error: z.string().optional(), message: z.string().optional() });

export type FlyMachine = z.infer<typeof machine>;

export interface FlyClientOptions {
  token: string;
  app: string;
  /** The Machines API; FLY_API_HOSTNAME in its documentation. */
  baseUrl?: string | undefined;
  /** How long the API may take to answer, beyond what it was asked to wait. */
  timeoutMs?: number;
  retries?: number;
  /** Before the first retry; doubled with each, unless the answer names a time. */
  retryDelayMs?: number;
  /** Requests a second, and at once, for one action on one machine: what the API allows. */
  pace?: { perSecond: number; burst: number };
}

/** An answer of the API that is no success, or none at all (`status` 0). */
export class FlyError extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    status: number,
    options: { retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'FlyError';
    this.status = status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export const isFlyError = (error: unknown): error is FlyError => error instanceof FlyError;

/** Whether the same request may succeed a little later: the API is busy, broken or out of reach. */
export const isPassing = (error: unknown) =>
  isFlyError(error) &&
  (error.status === 0 || error.status === 408 || error.status === 429 || error.status >= 500);

export const isNotFound = (error: unknown) => isFlyError(error) && error.status === 404;

/** The machine is not in the state that the request needs: 409 and 412 in this API. */
export const isConflict = (error: unknown) =>
  isFlyError(error) && (error.status === 409 || error.status === 412);

/** The longest wait that the API accepts, and the longest that an exec gets through its proxy. */
const MAX_WAIT_SECONDS = 60;
const EXEC_SECONDS = 45;

/**
 * The part of the Fly Machines API that sandboxes need. Passing failures are tried again, as late as Retry-After
 * says, except in `create`: whoever lost its answer must look whether the machine is there.
 * Every function throws FlyError.
 */
export function createFlyClient(options: FlyClientOptions) {
  const { token, app, baseUrl = 'https://api.machines.dev', timeoutMs = 15_000 } = options;
  const { retries = 5, retryDelayMs = 500, pace = { perSecond: 1, burst: 3 } } = options;
  const takeTurn = createPace(pace);
  const machines = `/v1/apps/${encodeURIComponent(app)}/machines`;

  interface Request {
    method: 'GET' | 'POST' | 'DELETE';
    /** For the pace and for messages. */
    action: string;
    path?: string;
    query?: Record<string, string>;
    body?: object;
    waitMs?: number;
    signal?: AbortSignal | undefined;
  }

  async function once<T>(schema: z.ZodType<T>, request: Request): Promise<T> {
    const { method, action, path = '', query = {}, body, waitMs = 0, signal } = request;
    await takeTurn(`${action} ${path}`, signal);
    const url = `${baseUrl.replace(/\/$/, '')}${machines}${path}?${new URLSearchParams(query)}`;
    const timeout = AbortSignal.timeout(Math.ceil(timeoutMs + waitMs));
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      text = await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      throw new FlyError(`${action}: the Fly API did not answer`, 0, { cause });
    }
    if (!response.ok) {
      const { message, error } = problem.safeParse(parseJson(text)).data ?? {};
      throw new FlyError(
        `${action}: ${(message ?? error ?? response.statusText).slice(0, 300)}`,
        response.status,
        {
          retryAfterMs: retryAfter(response.headers.get('retry-after')),
        },
      );
    }
    const answer = schema.safeParse(parseJson(text));
    if (!answer.success) {
      throw new FlyError(`${action}: the Fly API answered with something else`, 0, { cause: answer.error });
    }
    return answer.data;
  }

  async function request<T>(schema: z.ZodType<T>, options: Request): Promise<T> {
    const outcome = pRetry(() => once(schema, options), {
      retries,
      minTimeout: retryDelayMs,
      maxTimeout: 10_000,
      randomize: true,
      ...(options.signal && { signal: options.signal }),
      shouldRetry: ({ error }) => isPassing(error),
      onFailedAttempt: async ({ error, retriesLeft }) => {
        if (retriesLeft > 0 && isFlyError(error) && error.retryAfterMs !== undefined) {
          await sleep(error.retryAfterMs, undefined, { signal: options.signal });
        }
      },
    });
    return outcome.catch((error) => {
      // p-retry makes an error of its own of a reason that is none.
      options.signal?.throwIfAborted();
      throw error;
    });
  }

  return {
    /** The app's machines that carry the metadata; without those that are destroyed. */
    list: (metadata: Record<string, string>, signal?: AbortSignal): Promise<FlyMachine[]> =>
      request(z.array(machine), {
        signal,
        method: 'GET',
        action: 'list',
        query: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value])),
      }),
    get: (id: string, signal?: AbortSignal): Promise<FlyMachine> =>
      request(machine, { method: 'GET', action: 'get', path: `/${id}`, signal }),
    create: (body: { name: string; region?: string; config: object }): Promise<FlyMachine> =>
      // The API answers when the machine has a place: that can take a while.
      once(machine, { method: 'POST', action: 'create', body, waitMs: 45_000 }),
    start: (id: string, signal?: AbortSignal) =>
      request(z.unknown(), { method: 'POST', action: 'start', path: `/${id}/start`, signal }),
    /** Resolves when the machine is in that state; fails with status 408 when it is not within the time. */
    wait: (id: string, state: 'started' | 'stopped' | 'destroyed', seconds: number, signal?: AbortSignal) =>
      once(z.unknown(), {
        signal,
        method: 'GET',
        action: 'wait',
        path: `/${id}/wait`,
        query: { state, timeout: String(Math.min(MAX_WAIT_SECONDS, Math.max(1, Math.ceil(seconds)))) },
        waitMs: Math.min(MAX_WAIT_SECONDS, seconds) * 1000,
      }),
    stop: (id: string) => request(z.unknown(), { method: 'POST', action: 'stop', path: `/${id}/stop` }),
    /** Runs a program on a machine that is started. It may run more than once. */
    async exec(id: string, command: string[], options: { stdin: string; signal?: AbortSignal | undefined }) {
      const { stdin, signal } = options;
      const { exit_code, stdout, stderr } = await request(execResult, {
        method: 'POST',
        action: 'exec',
        path: `/${id}/exec`,
        body: { command, stdin, timeout: EXEC_SECONDS },
        waitMs: EXEC_SECONDS * 1000,
        signal,
      });
      return { exitCode: exit_code, stdout: stdout ?? '', stderr: stderr ?? '' };
    },
    /** Destroys a machine, running or not; one that is gone is no error. */
    async destroy(id: string): Promise<void> {
      try {
        await request(z.unknown(), {
          method: 'DELETE',
          action: 'destroy',
          path: `/${id}`,
          query: { force: 'true' },
        });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };
}

/** Waits until one more request of a kind is within the pace. */
function createPace({ perSecond, burst }: { perSecond: number; burst: number }) {
  const interval = 1000 / perSecond;
  // When the requests of a kind so far would be done at exactly the pace.
  const doneAt = new Map<string, number>();
  return async (kind: string, signal?: AbortSignal): Promise<void> => {
    const now = performance.now();
    for (const [other, at] of doneAt) if (at <= now) doneAt.delete(other);
    const at = Math.max(doneAt.get(kind) ?? 0, now) + interval;
    doneAt.set(kind, at);
    const early = at - now - burst * interval;
    if (early > 0) await sleep(early, undefined, { signal });
  };
}

// Seconds, or a date.
function retryAfter(header: string | null): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 60_000) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
