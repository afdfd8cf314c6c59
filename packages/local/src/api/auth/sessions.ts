import { randomBytes, randomUUID } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type { Pool } from 'pg';
import { inTransaction, readQueries } from '../database.ts';
import type { StackKeys } from '../keys.ts';
import { AuthError } from './errors.ts';
import { findUserById, isBanned, type UserRow, userJson } from './users.ts';

const query = readQueries(new URL('./queries/', import.meta.url));

const EXPIRES_IN = 3600;
// A client whose answer got lost may come again with the same token.
const REUSE_SECONDS = 10;

interface SessionRow {
  id: string;
  user_id: string;
  created_at: Date;
  expired: boolean | null;
}

interface TokenRow {
  token: string;
  revoked: boolean;
  reusable: boolean;
  active_child: string | null;
}

/** How sessions are opened, renewed and ended. */
export interface Sessions {
  /** Opens a session; returns it as `POST /token` answers. */
  open(user: UserRow, device: { userAgent: string | undefined; ip: string | undefined }): Promise<object>;
  /**
   * Exchanges a refresh token, which can be used once.
   * @throws AuthError; after a token was used twice, no token of its session is valid any more.
   */
  renew(refreshToken: string): Promise<object>;
  /** Ends sessions of a user: this one, all others, or all. */
  end(userId: string, sessionId: string | undefined, scope: SignOutScope): Promise<void>;
  exists(sessionId: string): Promise<boolean>;
}

export const signOutScopes = ['global', 'local', 'others'] as const;
export type SignOutScope = (typeof signOutScopes)[number];

export function createSessions(pool: Pool, keys: StackKeys, issuer: () => string): Sessions {
  const signingKey = importJWK(keys.signingKey, 'ES256');

  const answer = async (user: UserRow, session: { id: string; openedAt: Date }, refreshToken: string) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      email: user.email ?? '',
      phone: user.phone ?? '',
      app_metadata: user.raw_app_meta_data ?? {},
      user_metadata: user.raw_user_meta_data ?? {},
      role: user.role,
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: Math.floor(session.openedAt.getTime() / 1000) }],
      session_id: session.id,
      is_anonymous: user.is_anonymous,
    };
    const accessToken = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: keys.signingKey.kid, typ: 'JWT' })
      .setIssuer(issuer())
      .setSubject(user.id)
      .setAudience(user.aud)
      .setIssuedAt(now)
      .setExpirationTime(now + EXPIRES_IN)
      .sign(await signingKey);
    return {
      access_token: accessToken,
      token_type: 'bearer',
      expires_in: EXPIRES_IN,
      expires_at: now + EXPIRES_IN,
      refresh_token: refreshToken,
      user: userJson(user),
    };
  };

  return {
    open: async (user, { userAgent, ip }) => {
      const session = { id: randomUUID(), openedAt: new Date() };
      const token = newToken();
      await pool.query(query('insert_session'), [session.id, user.id, userAgent ?? null, ip ?? null, token]);
      return answer((await findUserById(pool, user.id)) ?? user, session, token);
    },

    renew: async (refreshToken) => {
      const renewed = await inTransaction(pool, async (client) => {
        const found = await client.query<SessionRow>(query('lock_session_of_token'), [refreshToken]);
        const session = found.rows[0];
        if (!session) throw refused('refresh_token_not_found', 'Refresh Token Not Found');
        if (session.expired) throw refused('session_expired', 'Session Expired');
        const user = await findUserById(client, session.user_id);
        if (!user || isBanned(user)) throw refused('user_banned', 'User Banned');

        const { rows } = await client.query<TokenRow>(query('find_refresh_token'), [
          refreshToken,
          REUSE_SECONDS,
        ]);
        const token = rows[0] as TokenRow;
        if (token.revoked && !token.active_child && !token.reusable) {
          await client.query('update auth.refresh_tokens set revoked = true where session_id = $1', [
            session.id,
          ]);
          // Thrown outside, so that the revocation is kept.
          return undefined;
        }
        // The parent of the token in force: its answer never arrived.
        const next = (token.revoked && token.active_child) || newToken();
        if (next !== token.active_child) {
          await client.query(query('swap_refresh_token'), [refreshToken, next]);
        }
        return { user, session: { id: session.id, openedAt: session.created_at }, token: next };
      });
      if (!renewed) throw refused('refresh_token_already_used', 'Already Used');
      return answer(renewed.user, renewed.session, renewed.token);
    },

    end: async (userId, sessionId, scope) => {
      await pool.query(
        `delete from auth.sessions where user_id = $1
          and ($3 = 'global' or ($3 = 'local' and id = $2) or ($3 = 'others' and id <> $2))`,
        [userId, sessionId ?? null, scope],
      );
    },

    exists: async (sessionId) => {
      const { rowCount } = await pool.query('select from auth.sessions where id = $1', [sessionId]);
      return rowCount === 1;
    },
  };
}

const newToken = () => randomBytes(16).toString('base64url');

function refused(code: string, reason: string): AuthError {
  return new AuthError(400, code, `Invalid Refresh Token: ${reason}`);
}
