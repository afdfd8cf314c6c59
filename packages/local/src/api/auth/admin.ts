import { randomBytes } from 'node:crypto';
import { Hono } from 'hono';
import type { Pool } from 'pg';
import { inTransaction } from '../database.ts';
import type { VerifyKeyOrToken } from '../tokens.ts';
import { adminUserBody, bannedUntil, bodyOf, deleteBody, emailOf, refusePhone } from './bodies.ts';
import { isUuid, requireServiceKey } from './callers.ts';
import { AuthError } from './errors.ts';
import { hashPassword } from './passwords.ts';
import {
  deleteUser,
  findUserById,
  insertUser,
  listUsers,
  type UserRow,
  updateUser,
  userJson,
} from './users.ts';

const MOST_PER_PAGE = 1000;

/** `/admin`: users, with the service key only. */
export function adminRoutes(pool: Pool, verify: VerifyKeyOrToken): Hono {
  const app = new Hono();

  app.use(async (c, next) => {
    await requireServiceKey(c, verify);
    await next();
  });

  app.get('/users', async (c) => {
    const page = positive(c.req.query('page'), 1);
    const perPage = Math.min(positive(c.req.query('per_page'), 50), MOST_PER_PAGE);
    const { users, total } = await listUsers(pool, page, perPage);
    const last = Math.max(1, Math.ceil(total / perPage));
    const link = (to: number, rel: string) => `</admin/users?page=${to}&per_page=${perPage}>; rel="${rel}"`;
    c.header('x-total-count', String(total));
    c.header('link', [...(page < last ? [link(page + 1, 'next')] : []), link(last, 'last')].join(', '));
    return c.json({ users: users.map(userJson), aud: 'authenticated' });
  });

  app.post('/users', async (c) => {
    const body = await bodyOf(c, adminUserBody);
    refusePhone(body.phone);
    if (!body.email) {
      throw new AuthError(400, 'validation_failed', 'Cannot create a user without either an email or phone');
    }
    if (body.id !== undefined && !isUuid(body.id)) {
      throw new AuthError(400, 'validation_failed', 'ID must conform to the uuid v4 format');
    }
    const chosen = body.password || randomBytes(32).toString('base64url');
    const user = {
      id: body.id,
      email: emailOf(body.email),
      password: body.password_hash ?? (await hashPassword(chosen)),
      confirmed: body.email_confirm ?? false,
      role: body.role,
      userMetadata: body.user_metadata ?? {},
      appMetadata: body.app_metadata,
      bannedUntil: bannedUntil(body.ban_duration),
    };
    return c.json(userJson(await inTransaction(pool, (client) => insertUser(client, user, 'email_exists'))));
  });

  app.get('/users/:id', async (c) => c.json(userJson(await named(pool, c.req.param('id')))));

  app.put('/users/:id', async (c) => {
    const user = await named(pool, c.req.param('id'));
    const body = await bodyOf(c, adminUserBody);
    refusePhone(body.phone);
    const change = {
      email: body.email ? emailOf(body.email) : undefined,
      password: body.password_hash ?? (body.password ? await hashPassword(body.password) : undefined),
      userMetadata: body.user_metadata,
      appMetadata: body.app_metadata,
      role: body.role,
      confirmEmail: body.email_confirm,
      bannedUntil: bannedUntil(body.ban_duration),
    };
    return c.json(userJson(await inTransaction(pool, (client) => updateUser(client, user, change))));
  });

  app.delete('/users/:id', async (c) => {
    const user = await named(pool, c.req.param('id'));
    const { should_soft_delete: soft } = await bodyOf(c, deleteBody);
    await deleteUser(pool, user.id, soft ?? false);
    return c.json({});
  });

  return app;
}

async function named(pool: Pool, id: string): Promise<UserRow> {
  if (!isUuid(id)) throw new AuthError(404, 'validation_failed', 'user_id must be an UUID');
  const user = await findUserById(pool, id);
  if (!user) throw new AuthError(404, 'user_not_found', 'User not found');
  return user;
}

function positive(text: string | undefined, otherwise: number): number {
  if (!text) return otherwise;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0 && number < 1e6) return number;
  throw new AuthError(400, 'validation_failed', `Bad Pagination Parameters: "${text}"`);
}
