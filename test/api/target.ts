import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiEnvironment, makeKeys, startApi } from '@mobvibe/local/api';
import { createClient, type SupabaseClient, type SupabaseClientOptions } from '@supabase/supabase-js';
import WebSocket from 'ws';
import { createTestDatabase } from '../harness/database.ts';

/** The API that the contract tests talk to; all that they know of it is in the variables. */
export interface Target {
  url: string;
  /** The publishable key, or the anon key. */
  key: string;
  /** The secret key, or the service_role key. */
  secret: string;
  /** A client without a session. `key`: another key than the publishable one. */
  client(key?: string, options?: SupabaseClientOptions<'public'>): SupabaseClient;
  /** A user of this test, signed in. */
  user(): Promise<TestUser>;
  /** Removes what the tests made. */
  stop(): Promise<void>;
}

export interface TestUser {
  id: string;
  email: string;
  password: string;
  client: SupabaseClient;
}

/**
 * The API that SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY and SUPABASE_SECRET_KEY name – of the local stack, of
 * `supabase start`, of a hosted project, migrated all of them – or, where they are not set, one of its own.
 */
export async function contractTarget(given: NodeJS.ProcessEnv = process.env): Promise<Target> {
  const own = given.SUPABASE_URL ? undefined : await startOwn();
  const variables: NodeJS.ProcessEnv = own?.environment ?? given;
  const url = required(variables, 'SUPABASE_URL');
  const key = required(variables, 'SUPABASE_PUBLISHABLE_KEY', 'SUPABASE_ANON_KEY');
  const secret = required(variables, 'SUPABASE_SECRET_KEY', 'SUPABASE_SERVICE_ROLE_KEY');

  const client: Target['client'] = (given = key, options = {}) =>
    createClient(url, given, {
      auth: { persistSession: false, autoRefreshToken: false },
      // Node 20 has no WebSocket of its own.
      realtime: { transport: WebSocket as never },
      ...options,
    });
  const made: string[] = [];
  const service = client(secret);
  return {
    url,
    key,
    secret,
    client,
    user: async () => {
      const email = `contract-${randomUUID()}@example.com`;
      const password = randomUUID();
      const { data, error } = await service.auth.admin.createUser({ email, password, email_confirm: true });
      if (error) throw error;
      made.push(data.user.id);
      const signedIn = client();
      const session = await signedIn.auth.signInWithPassword({ email, password });
      if (session.error) throw session.error;
      return { id: data.user.id, email, password, client: signedIn };
    },
    stop: async () => {
      for (const id of made) await service.auth.admin.deleteUser(id);
      await own?.stop();
    },
  };
}

function required(variables: NodeJS.ProcessEnv, ...names: string[]): string {
  for (const name of names) if (variables[name]) return variables[name];
  throw new Error(`SUPABASE_URL is set, and none of ${names.join(', ')}`);
}

/** An API of its own on a migrated database of its own. */
export async function startOwn() {
  const database = await createTestDatabase('migrated');
  const directory = await mkdtemp(join(tmpdir(), 'mobvibe-api-test-'));
  const keys = await makeKeys();
  const lines: string[] = [];
  const remove = async () => {
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  };
  const api = await startApi({
    databaseUrl: database.url,
    keys,
    directory,
    port: 0,
    log: (line) => lines.push(line),
  }).catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    database,
    directory,
    keys,
    api,
    /** What it logged. */
    lines,
    environment: apiEnvironment(api.url, keys),
    stop: async () => {
      await api.close();
      await remove();
    },
  };
}
