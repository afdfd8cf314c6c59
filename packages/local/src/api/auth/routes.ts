import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Pool } from 'pg';
import { inTransaction } from '../database.ts';
import type { NodeApp } from '../gateway.ts';
import { publicKey, type StackKeys } from '../keys.ts';
import type { VerifyKeyOrToken } from '../tokens.ts';
import { adminRoutes } from './admin.ts';
import { bodyOf, emailOf, passwordBody, refreshBody, refusePhone, signUpBody, userBody } from './bodies.ts';
import { signedIn } from './callers.ts';
import { AuthError, respondWithError } from './errors.ts';
import { hashPassword, passwordMatches } from './passwords.ts';
import { createSessions, type SignOutScope, signOutScopes } from './sessions.ts';
import { duplicate, findUserByEmail, insertUser, isBanned, updateUser, userJson } from './users.ts';

/**
 * `/auth/v1`: the part of GoTrue that needs no mail and no other provider. Sign-up confirms by itself, as with the
 * Supabase CLI.
 */
export function authRoutes(options: {
  pool: Pool;
  keys: StackKeys;
  verify: VerifyKeyOrToken;
  /** The URL of the API. */
  url(): string;
  log(line: string): void;
}): NodeApp {
  const { pool, keys, verify, log } = options;
  const sessions = createSessions(pool, keys, () => `${options.url()}/auth/v1`);
  const app: NodeApp = new Hono();
  app.onError((error, c) => respondWithError(c, error, log));
  app.notFound((c) =>
    respondWithError(c, new AuthError(404, 'not_found', 'the local stack has no such endpoint'), log),
  );

  app.get('/health', (c) => c.json({ name: 'GoTrue', description: 'the local stack, for development' }));
  app.get('/.well-known/jwks.json', (c) => c.json({ keys: [publicKey(keys)] }));
  app.get('/settings', (c) =>
    c.json({
      external: { email: true, phone: false, anonymous_users: false },
      disable_signup: false,
      mailer_autoconfirm: true,
      phone_autoconfirm: false,
      saml_enabled: false,
    }),
  );

  const device = (c: Context<{ Bindings: HttpBindings }>) => ({
    userAgent: c.req.header('user-agent')?.slice(0, 500),
    ip: c.env.incoming.socket.remoteAddress,
  });

  app.post('/signup', async (c) => {
    const { email: given, phone, password, data } = await bodyOf(c, signUpBody);
    refusePhone(phone);
    if (!given) throw new AuthError(422, 'anonymous_provider_disabled', 'Anonymous sign-ins are disabled');
    if (!password) throw new AuthError(400, 'validation_failed', 'Signup requires a valid password');
    const email = emailOf(given);
    const hash = await hashPassword(password);
    if (await findUserByEmail(pool, email)) throw duplicate('user_already_exists');
    const user = await inTransaction(pool, (client) =>
      insertUser(
        client,
        { email, password: hash, confirmed: true, userMetadata: { ...data, email } },
        'user_already_exists',
      ),
    );
    return c.json(await sessions.open(user, device(c)));
  });

  app.post('/token', async (c) => {
    switch (c.req.query('grant_type')) {
      case 'password': {
        const { email, phone, password } = await bodyOf(c, passwordBody);
        refusePhone(phone);
        const user = email ? await findUserByEmail(pool, email.trim().toLowerCase()) : undefined;
        if (!user || !password || !(await passwordMatches(password, user.encrypted_password))) {
          throw new AuthError(400, 'invalid_credentials', 'Invalid login credentials');
        }
        if (isBanned(user)) throw new AuthError(400, 'user_banned', 'User is banned');
        if (!user.confirmed_at) throw new AuthError(400, 'email_not_confirmed', 'Email not confirmed');
        return c.json(await sessions.open(user, device(c)));
      }
      case 'refresh_token': {
        const { refresh_token: token } = await bodyOf(c, refreshBody);
        if (!token) throw new AuthError(400, 'validation_failed', 'refresh_token required');
        return c.json(await sessions.renew(token));
      }
      default:
        throw new AuthError(400, 'invalid_credentials', 'unsupported_grant_type');
    }
  });

  app.get('/user', async (c) => c.json(userJson((await signedIn(c, verify, pool, sessions)).user)));

  app.put('/user', async (c) => {
    const { user, sessionId } = await signedIn(c, verify, pool, sessions);
    const { email, phone, password, data } = await bodyOf(c, userBody);
    refusePhone(phone);
    const hash = password === undefined ? undefined : await hashPassword(password);
    if (password !== undefined && (await passwordMatches(password, user.encrypted_password))) {
      throw new AuthError(422, 'same_password', 'New password should be different from the old password.');
    }
    const change = { email: email ? emailOf(email) : undefined, password: hash, userMetadata: data };
    const changed = await inTransaction(pool, (client) => updateUser(client, user, change));
    // Whoever knew the old password is out.
    if (hash) await sessions.end(user.id, sessionId, sessionId ? 'others' : 'global');
    return c.json(userJson(changed));
  });

  app.post('/logout', async (c) => {
    const scope = c.req.query('scope') ?? 'global';
    if (!isSignOutScope(scope)) {
      throw new AuthError(400, 'validation_failed', `Unsupported logout scope "${scope}"`);
    }
    const { user, sessionId } = await signedIn(c, verify, pool, sessions);
    await sessions.end(user.id, sessionId, scope);
    return c.body(null, 204);
  });

  app.route('/admin', adminRoutes(pool, verify));
  return app;
}

const isSignOutScope = (text: string): text is SignOutScope =>
  (signOutScopes as readonly string[]).includes(text);
