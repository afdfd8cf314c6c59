import { LRUCache } from 'lru-cache';
import pg from 'pg';
import { type LoginOptions, loginUrl } from '../connection.ts';
import { type Prisma, PrismaClient } from '../generated/client.ts';
import { timeOrderedIds } from '../time-ordered-ids.ts';
import { actAs } from './act-as.ts';
import { type Acting, actingAnon, actingUser, type Claims } from './acting.ts';
import { actingAdapter } from './adapter.ts';
import { leaveDefaultsToDatabase } from './database-defaults.ts';
import { typedSql } from './typed-sql.ts';

const MOST_CLIENTS = 1_000;

export interface AppClientOptions extends LoginOptions {
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
  const clientOptions: Prisma.PrismaClientOptions = Object.assign(
    { adapter: actingAdapter(pool) },
    { __internal: { configOverride: leaveDefaultsToDatabase } },
  );
  const client = new PrismaClient(clientOptions).$extends(timeOrderedIds).$extends(typedSql);
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
    /** Closes the pool. What `asUser` and `asAnon` returned cannot be used any more. */
    $disconnect: async (): Promise<void> => {
      await client.$disconnect();
      await pool.end();
    },
  };
}

export type AppClient = ReturnType<typeof createAppClient>;
/** The Prisma client of one user. */
export type UserClient = ReturnType<AppClient['asUser']>;
