import { randomUUID } from 'node:crypto';
import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';
import { inject } from 'vitest';
// Not through the package's front door: most test files would load Postgres' parser for nothing.
import { readSqlFiles } from '../../packages/rls-sql/src/files.ts';
import { TEMPLATE } from './template.ts';

/** A database of one test file. */
export interface TestDatabase {
  /** As `postgres`, the role that owns our objects. */
  url: string;
  /** A connection as `postgres`. */
  sql: pg.Client;
  /** Runs `task` in a transaction as mobvibe_app turned into that user; rolled back when it throws. */
  asUser<T>(userId: string, task: (client: pg.Client) => Promise<T>): Promise<T>;
  asAnon<T>(task: (client: pg.Client) => Promise<T>): Promise<T>;
  asServiceRole<T>(task: (client: pg.Client) => Promise<T>): Promise<T>;
  /** A connection as the login role mobvibe_worker. */
  asWorker<T>(task: (client: pg.Client) => Promise<T>): Promise<T>;
  /** Signs a user up, as Supabase Auth does; the trigger makes the profile (`profile: false`: there is none yet). */
  createUser(options?: { tier?: string; email?: string; profile?: boolean }): Promise<string>;
  drop(): Promise<void>;
}

/** The database of `url`, as the platform's superuser. */
export const adminUrlOf = (url: string): string =>
  Object.assign(new URL(inject('server').adminUrl), { pathname: new URL(url).pathname }).href;

/**
 * Makes a database for one test file.
 * @param from `migrated` (the default) or `platform`: nothing but what Supabase provides
 */
export async function createTestDatabase(from: 'migrated' | 'platform' = 'migrated'): Promise<TestDatabase> {
  const server = inject('server');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const maintenance = new pg.Client({ connectionString: at(server.adminUrl, 'template1') });
  await maintenance.connect();
  const template = from === 'migrated' ? TEMPLATE : 'postgres';
  // Copying files is the quicker way where nothing is synced to disk.
  await maintenance.query(`create database ${name} template ${template} owner postgres strategy file_copy`);

  const url = at(server.url, name);
  const sql = await open(url);

  // What a template does not hand on: the privileges on the database itself.
  if (from === 'migrated') {
    for (const file of readSqlFiles().filter(({ eachApply }) => eachApply)) await sql.query(file.sql);
  }

  const connections = createConnections();
  const inTransaction = <T>(
    login: string,
    role: string,
    claims: object,
    task: (client: pg.Client) => Promise<T>,
  ): Promise<T> =>
    connections.use(login, async (client) => {
      const settings = pg.escapeLiteral(JSON.stringify(claims));
      await client.query(
        `begin; set local role ${role}; select set_config('request.jwt.claims', ${settings}, true)`,
      );
      const result = await task(client);
      await client.query('commit');
      return result;
    });

  return {
    url,
    sql,
    asUser: (userId, task) =>
      inTransaction(
        loginUrl('mobvibe_app', { url }),
        'authenticated',
        { sub: userId, role: 'authenticated' },
        task,
      ),
    asAnon: (task) => inTransaction(loginUrl('mobvibe_app', { url }), 'anon', { role: 'anon' }, task),
    asServiceRole: (task) => inTransaction(url, 'service_role', { role: 'service_role' }, task),
    asWorker: (task) => connections.use(loginUrl('mobvibe_worker', { url }), task),
    createUser: async ({ tier = 'free', email = `${randomUUID()}@example.com`, profile = true } = {}) => {
      const id = randomUUID();
      await sql.query(
        `insert into auth.users (id, instance_id, aud, role, email, created_at, updated_at)
         values ($1, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', $2, now(), now())`,
        [id, email],
      );
      if (profile)
        await sql.query('update public.profiles set tier = $2::public.tier where id = $1', [id, tier]);
      return id;
    },
    drop: async () => {
      await connections.end();
      await sql.end();
      await maintenance.query(`drop database ${name} with (force)`);
      await maintenance.end();
    },
  };
}

/** Connections that are used again, each by one task at a time and as if it were new: most of a short task is the login. */
function createConnections() {
  const idle = new Map<string, Set<pg.Client>>();
  return {
    async use<T>(login: string, task: (client: pg.Client) => Promise<T>): Promise<T> {
      const waiting = idle.get(login) ?? new Set();
      idle.set(login, waiting);
      const [kept] = waiting;
      if (kept) waiting.delete(kept);
      const client = kept ?? (await open(login));
      // The server may end it while it waits.
      if (!kept) client.once('end', () => waiting.delete(client));
      try {
        const result = await task(client);
        await client.query('discard all');
        waiting.add(client);
        return result;
      } catch (error) {
        await client.end();
        throw error;
      }
    },
    end: () =>
      Promise.all([...idle.values()].flatMap((waiting) => [...waiting]).map((client) => client.end())),
  };
}

const at = (url: string, database: string): string =>
  Object.assign(new URL(url), { pathname: database }).href;

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  // Unheard, the end of a server that a test stops would end the test.
  client.on('error', () => {});
  await client.connect();
  return client;
}
