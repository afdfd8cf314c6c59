import { Hono } from 'hono';
import { proxy } from 'hono/proxy';
import type { StackKeys } from '../keys.ts';
import { credential } from '../tokens.ts';
import type { Postgrest } from './postgrest.ts';

const WAIT_SECONDS = 5;

/** `/rest/v1`: PostgREST, whose own answers and errors go through unchanged. */
export function restRoutes(postgrest: Postgrest, keys: StackKeys): Hono {
  // PostgREST knows tokens only.
  const tokens = new Map([
    [keys.publishableKey, keys.anonKey],
    [keys.secretKey, keys.serviceRoleKey],
  ]);
  const app = new Hono();
  app.all('/*', async (c) => {
    const base = await postgrest.url(WAIT_SECONDS);
    if (base === undefined) return unavailable();
    const { pathname, search } = new URL(c.req.url);
    const headers = new Headers(c.req.raw.headers);
    for (const name of ['apikey', 'accept-encoding', 'host', 'connection']) headers.delete(name);
    const given = credential(c.req) ?? '';
    headers.set('authorization', `Bearer ${tokens.get(given) ?? given}`);
    try {
      return await proxy(`${base}${pathname.slice('/rest/v1'.length) || '/'}${search}`, {
        raw: c.req.raw,
        headers,
      });
    } catch {
      // It ended with the request in its hands; whether that was carried out, nobody knows.
      return unavailable();
    }
  });
  return app;
}

const unavailable = () =>
  Response.json(
    {
      code: 'PGRST001',
      message: 'Could not connect with the database due to an internal error.',
      details: 'PostgREST is being restarted',
      hint: null,
    },
    { status: 503, headers: { 'retry-after': '1' } },
  );
