import { setTimeout as sleep } from 'node:timers/promises';
import pg, { type Pool, type PoolClient } from 'pg';
import { type LoginOptions, loginUrl } from '../connection.ts';
import type { Connections } from './adapter.ts';

export interface ReplicaOptions {
  /**
   * A physical (streaming) replica of the same database, for `onReplica`; one server, not a balancer before several:
   * what one of them has replayed says nothing of the next. Left out: the primary answers.
   */
  replicaUrl?: string | undefined;
  /** Told whenever the primary answers in place of the replica. */
  onFallback?: ((reason: FallbackReason) => void) | undefined;
}

/**
 * Why the primary answered: the replica had not come far enough (`late`), it could not be reached (`unreachable`), or it
 * ended the read, because it went away or because what it replays removed rows that were being read (`ended`).
 */
export type FallbackReason = 'late' | 'unreachable' | 'ended';

export interface StaleOptions {
  /** What `position` returned: the read sees at least that. Left out: it may be as stale as the replica is. */
  after?: string | undefined;
  /** How long to wait for that, in milliseconds (1,000), before the primary answers. */
  waitMs?: number | undefined;
}

/** How stale a read may be. */
export interface Freshness {
  after: bigint;
  waitMs: number;
}

// A commit that waits for the disk is below what is on it; one that does not is below what will be. The latter alone would
// do for both, but may lie in what others have not committed, and what nobody waits for may take its time to a replica.
export const POSITION = `
  select case
    when pg_catalog.current_setting('synchronous_commit') = 'off' then pg_catalog.pg_current_wal_insert_lsn()
    else pg_catalog.pg_current_wal_flush_lsn()
  end::text as position`;

// A replica that was promoted replays nothing any more, and has everything that it will have.
const REPLAYED = `
  select case
    when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_insert_lsn()
  end::text as position`;

const CONNECT_MS = 2_000;
/** A replica that could not be reached is left alone so long. */
const REST_MS = 1_000;
const POLL_MS = { first: 2, most: 50 };

/** @throws Error when `after` is no position. */
export function freshnessOf({ after, waitMs = 1_000 }: StaleOptions): Freshness {
  const position = after === undefined ? 0n : numberOf(after);
  if (position === undefined)
    throw new Error(`${JSON.stringify(after)} is no position\npass what position() returned, or nothing`);
  return { after: position, waitMs };
}

/** The connections of a client, and how to close those that it did not bring. */
export interface ReplicaConnections extends Connections {
  end(): Promise<void>;
}

/** Every operation runs on the primary. */
export const primaryOnly = (primary: Pool): ReplicaConnections => ({
  connect: () => primary.connect(),
  connectInstead: () => undefined,
  end: async () => {},
});

/**
 * Operations that may be stale run on a replica, all others, and those that it cannot answer, on the primary.
 * @throws Error when no password is given for a remote replica.
 */
export function openReplica(
  primary: Pool,
  url: string,
  {
    poolSize,
    onFallback = () => {},
    ...login
  }: ReplicaOptions & LoginOptions & { poolSize?: number | undefined },
): ReplicaConnections {
  const replica = new pg.Pool({
    connectionString: loginUrl('mobvibe_app', { ...login, url }),
    pipeline: true,
    Client: PromptClient,
    ...(poolSize && { max: poolSize }),
  });
  replica.on('error', () => {});
  /** How far each connection has been seen to be. A server does not go back. */
  const seen = new WeakMap<PoolClient, bigint>();
  let restsUntil = 0;

  const instead = (reason: FallbackReason): Promise<PoolClient> => {
    if (reason === 'unreachable' && performance.now() >= restsUntil) restsUntil = performance.now() + REST_MS;
    onFallback(reason);
    return primary.connect();
  };

  return {
    async connect({ freshness }) {
      if (!freshness) return primary.connect();
      if (performance.now() < restsUntil) return instead('unreachable');
      let client: PoolClient;
      try {
        client = await replica.connect();
      } catch (error) {
        if (isRefusal(error)) throw error;
        return instead('unreachable');
      }
      const reason = await hasReplayed(client, freshness, seen).then(
        (has) => (has ? undefined : 'late'),
        () => 'ended' as const,
      );
      if (!reason) return client;
      client.release(reason === 'ended');
      return instead(reason);
    },
    connectInstead: ({ freshness }, error) =>
      freshness && isEndedByServer(error) ? instead('ended') : undefined,
    end: () => replica.end(),
  };
}

/** Gives up when no answer comes. The pool's own timeout would also count the wait for a free connection, which is no fault. */
class PromptClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super({ ...config, connectionTimeoutMillis: CONNECT_MS });
  }
}

async function hasReplayed(
  client: PoolClient,
  { after, waitMs }: Freshness,
  seen: WeakMap<PoolClient, bigint>,
): Promise<boolean> {
  if ((seen.get(client) ?? 0n) >= after) return true;
  // The query reports a lost connection; without a listener the event would end the process.
  const ignore = () => {};
  client.on('error', ignore);
  try {
    const end = performance.now() + waitMs;
    for (let pause = POLL_MS.first; ; pause = Math.min(pause * 2, POLL_MS.most)) {
      const { rows } = await client.query<{ position: string | null }>(REPLAYED);
      const position = numberOf(rows[0]?.position ?? '0/0') ?? 0n;
      seen.set(client, position);
      if (position >= after) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      await sleep(Math.min(pause, left));
    }
  } finally {
    client.removeListener('error', ignore);
  }
}

/** A position of the write-ahead log, `16/B374D848`, as a number. */
function numberOf(position: string): bigint | undefined {
  const [, high, low] = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(position) ?? [];
  return high && low ? (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`) : undefined;
}

// Starting, stopping, too many connections: it is there, and cannot answer.
const AWAY = /^(57P0[123]|53300)$/;
const SERIALIZATION_FAILURE = '40001';

/** A password or a name that is wrong: nothing that passes. */
const isRefusal = (error: unknown) => error instanceof pg.DatabaseError && !AWAY.test(error.code ?? '');

/** The server, or the way to it, ended a statement that has done nothing wrong. */
const isEndedByServer = (error: unknown): boolean =>
  error instanceof pg.DatabaseError
    ? AWAY.test(error.code ?? '') || error.code === SERIALIZATION_FAILURE
    : error instanceof Error &&
      /^Connection terminated|^read E|^write E|ECONNRESET|EPIPE/.test(error.message);
