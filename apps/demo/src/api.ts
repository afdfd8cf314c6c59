import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseIsGiven, isCommandError, loadEnvironment, say, step, type Target } from '@mobvibe/cli';
import { startStack } from '@mobvibe/local';
import { makeKeys, startApi } from '@mobvibe/local/api';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import WebSocket from 'ws';

/** The Supabase API in front of the database. */
export interface DemoApi {
  url: string;
  /** What anybody may know: the publishable key, or the anon key. */
  key: string;
  /** With this the worker stores files; undefined: they stay in its sandboxes. */
  secret: string | undefined;
  close(): Promise<unknown>;
}

/**
 * The API that the environment names, or the local stack's, or, where only a database of this machine is given, one of
 * this process. Undefined where there is none to be had: then the demo goes on without.
 */
export async function openApi(to: Target, signal: AbortSignal): Promise<DemoApi | undefined> {
  try {
    if (!databaseIsGiven()) await startStack({ api: true, progress: { step, say }, signal });
    const named = namedApi();
    if (named) return named;
    if (to.isLocal) return await ownApi(to);
    say(
      'SUPABASE_URL or SUPABASE_PUBLISHABLE_KEY is missing: going on without the API, and without the page',
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!isCommandError(error)) throw error;
    say(`${error.message}: going on without the API, and without the page`);
  }
  return undefined;
}

function namedApi(): DemoApi | undefined {
  const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: key, SUPABASE_SECRET_KEY: secret } = loadEnvironment();
  return url && key ? { url, key, secret, close: async () => {} } : undefined;
}

async function ownApi(to: Target): Promise<DemoApi> {
  const directory = await mkdtemp(join(tmpdir(), 'mobvibe-demo-api-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const keys = await makeKeys();
    const api = await startApi({ databaseUrl: to.url, keys, directory, port: 0 });
    const close = () => api.close().finally(remove);
    return { url: api.url, key: keys.publishableKey, secret: keys.secretKey, close };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * A client of the API for a person who signs in with a password, as on the phone.
 * @throws the error of Auth.
 */
export async function signIn(
  { url, key }: DemoApi,
  credentials: { email: string; password: string },
): Promise<SupabaseClient> {
  const supabase = createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    // Node 20 has no WebSocket of its own.
    realtime: { transport: WebSocket as never },
  });
  const { error } = await supabase.auth.signInWithPassword(credentials);
  if (error) throw error;
  return supabase;
}
