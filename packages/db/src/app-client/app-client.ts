import { LRUCache } from 'lru-cache';
import pg from 'pg';
import { leaveDefaultsToDatabase, withConfig } from '../client-config.ts';
import { type LoginOptions, loginUrl } from '../connection.ts';
import { PrismaClient } from '../generated/client.ts';
import { timeOrderedIds } from '../time-ordered-ids.ts';
import { actAs } from './act-as.ts';
import { type Acting, actingAnon, actingUser, type Claims, onlyReading } from './acting.ts';
import { actingAdapter } from './adapter.ts';
import { readsOnly } from './reads-only.ts';
import {
  freshnessOf,
  openReplica,
  POSITION,
  primaryOnly,
  type ReplicaOptions,
  type StaleOptions,
} from './replica.ts';
import { typedSql } from './typed-sql.ts';

const MOST_CLIENTS = 1_000;

export interface AppClientOptions extends LoginOptions, ReplicaOptions {
  /** Connections of the pool, at most, for all users together; by default pg's 10. */
  poolSize?: number;
}

/**
 * The client for app teams. It connects as mobvibe_app, which without a user can read nothing; `asUser` and
 * `asAnon` give a Prisma client each whose every operation runs with that user's rights, over one pool.
 *
 * ```ts
 * const db = createAppClient();
 * const mine = db.asUser(await claimsFromJwt(token, { secret }));
 * await mine.project.findMany();
 * ```
 *
 * Role, claims and the role's statement timeout are set for the transaction alone, in the same round trip as the
 * statement; a transaction pooler may stand in between. A connection on which a transaction did not end cleanly is
 * destroyed.
 *
 * Raw SQL is one statement a call. It can change role and claims within its own transaction, as any SQL of
 * mobvibe_app can (to anon and authenticated, nothing above), so it must never be made of what a user typed; but nothing it
 * sets, prepares, locks or creates for the session outlives the transaction.
 * @throws Error when no URL is given, or no password for a remote database.
 */
export function createAppClient(options: AppClientOptions = {}) {
  const pool = new pg.Pool({
    connectionString: loginUrl('mobvibe_app', options),
    pipeline: true,
    ...(options.poolSize && { max: options.poolSize }),
  });
  // An idle connection that breaks has left the pool already; the next query opens another.
  pool.on('error', () => {});
  const replica = options.replicaUrl ? openReplica(pool, options.replicaUrl, options) : primaryOnly(pool);
  const clientOptions = withConfig({ adapter: actingAdapter(replica) }, leaveDefaultsToDatabase);
  const client = new PrismaClient(clientOptions).$extends(timeOrderedIds).$extends(typedSql);
  const reader: typeof client = readsOnly(client);
  // To make a client takes longer than a read; the requests of one token come close together.
  const clients = new LRUCache<string, typeof client>({ max: MOST_CLIENTS });
  const as = (acting: Acting): typeof client => {
    const key = JSON.stringify(acting);
    const made = clients.get(key) ?? actAs(client, acting);
    clients.set(key, made);
    return made;
  };
  return {
    /**
     * The database as a signed-in user: row-level security decides, as role `authenticated`.
     * Cheap: ask for one in each request. The same claims may get the same client.
     * @param claims of a verified token: see `claimsFromJwt`
     * @throws Error when `sub` is not a uuid or `role` is not `authenticated`.
     */
    asUser: (claims: Claims) => as(actingUser(claims)),
    /** The database as somebody who has not signed in, as role `anon`. */
    asAnon: () => as(actingAnon),
    /**
     * How far the primary has come: a read that waits for it sees everything that was committed before. A short text,
     * for a cookie or the next request's header.
     *
     * ```ts
     * await mine.project.create({ data: { name: 'Notes' } });
     * const after = await db.position();
     * await db.onReplica({ after }).asUser(claims).project.findMany(); // the new one is there
     * ```
     */
    position: async (): Promise<string> => {
      const { rows } = await pool.query<{ position: string }>(POSITION);
      return (rows[0] as { position: string }).position;
    },
    /**
     * The same users, whose reads MAY BE STALE: the replica of `replicaUrl` answers them. It is usually behind by
     * milliseconds, and by any time when it is busy. Row-level security holds there as on the primary. Nothing may be
     * written: an operation that would is refused, and so is raw SQL that tries.
     *
     * The primary answers instead where the replica has not come to `after` within `waitMs`, where it cannot be
     * reached, and where there is none. A transaction that has begun on the replica ends there, or fails.
     *
     * Not for `sync_changes`, which refuses to run there: its cursor needs the primary's view of open transactions.
     * @throws Error when `after` is not what `position` returned.
     */
    onReplica: (stale: StaleOptions = {}) => {
      const freshness = freshnessOf(stale);
      const read = (acting: Acting): typeof client => actAs(reader, onlyReading(acting), freshness);
      return {
        /** See `asUser` above: the same, reading only. */
        asUser: (claims: Claims) => read(actingUser(claims)),
        asAnon: () => read(actingAnon),
      };
    },
    /** Closes the pools. What `asUser` and `asAnon` returned cannot be used any more. */
    $disconnect: async (): Promise<void> => {
      await client.$disconnect();
      await Promise.all([pool.end(), replica.end()]);
    },
  };
}

export type AppClient = ReturnType<typeof createAppClient>;
/** The Prisma client of one user. */
export type UserClient = ReturnType<AppClient['asUser']>;
