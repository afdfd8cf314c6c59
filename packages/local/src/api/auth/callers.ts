import type { Context } from 'hono';
import type { Pool } from 'pg';
import { type Caller, credential, isTokenError, type VerifyKeyOrToken } from '../tokens.ts';
import { AuthError } from './errors.ts';
import type { Sessions } from './sessions.ts';
import { findUserById, type UserRow } from './users.ts';

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export const isUuid = (text: unknown): text is string => typeof text === 'string' && UUID.test(text);

export interface SignedIn {
  user: UserRow;
  sessionId: string | undefined;
}

async function callerOf(c: Context, verify: VerifyKeyOrToken): Promise<Caller> {
  const token = credential(c.req);
  if (!token) throw new AuthError(401, 'no_authorization', 'This endpoint requires a valid Bearer token');
  try {
    return await verify(token);
  } catch (error) {
    if (!isTokenError(error)) throw error;
    throw new AuthError(403, 'bad_jwt', `invalid JWT: unable to parse or verify signature, ${error.message}`);
  }
}

/**
 * The user whose session sent a request, and that session.
 * @throws AuthError when there is none, or no longer.
 */
export async function signedIn(
  c: Context,
  verify: VerifyKeyOrToken,
  pool: Pool,
  sessions: Sessions,
): Promise<SignedIn> {
  const { claims } = await callerOf(c, verify);
  if (!claims.sub) throw new AuthError(403, 'bad_jwt', 'invalid claim: missing sub claim');
  if (!isUuid(claims.sub)) throw new AuthError(403, 'bad_jwt', 'invalid claim: sub claim must be a UUID');
  const user = await findUserById(pool, claims.sub);
  if (!user) throw new AuthError(403, 'user_not_found', 'User from sub claim in JWT does not exist');
  const sessionId = isUuid(claims.session_id) ? claims.session_id : undefined;
  if (sessionId && !(await sessions.exists(sessionId))) {
    throw new AuthError(403, 'session_not_found', 'Session from session_id claim in JWT does not exist');
  }
  return { user, sessionId };
}

/** @throws AuthError unless the request comes with the service key. */
export async function requireServiceKey(c: Context, verify: VerifyKeyOrToken): Promise<void> {
  const { role } = await callerOf(c, verify);
  if (role !== 'service_role') throw new AuthError(403, 'not_admin', 'User not allowed');
}
