import { randomUUID } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { isUnstorable, readQueries } from '../database.ts';
import { AuthError, isDuplicate } from './errors.ts';

const query = readQueries(new URL('./queries/', import.meta.url));

export type Metadata = Record<string, unknown>;

interface IdentityRow {
  id: string;
  provider_id: string;
  user_id: string;
  identity_data: Metadata;
  provider: string;
  last_sign_in_at: string | null;
  created_at: string;
  updated_at: string;
  email: string | null;
}

export interface UserRow {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  phone: string | null;
  encrypted_password: string | null;
  email_confirmed_at: Date | null;
  phone_confirmed_at: Date | null;
  confirmed_at: Date | null;
  last_sign_in_at: Date | null;
  raw_app_meta_data: Metadata | null;
  raw_user_meta_data: Metadata | null;
  created_at: Date | null;
  updated_at: Date | null;
  banned_until: Date | null;
  deleted_at: Date | null;
  is_anonymous: boolean;
  identities: IdentityRow[];
}

type Connection = ClientBase | Pool;

async function findUsers(
  connection: Connection,
  filter: { id?: string; email?: string },
  { limit = 1, offset = 0 } = {},
): Promise<UserRow[]> {
  const { rows } = await connection.query<UserRow>(query('find_users'), [
    filter.id ?? null,
    filter.email ?? null,
    limit,
    offset,
  ]);
  return rows;
}

export async function findUserById(connection: Connection, id: string): Promise<UserRow | undefined> {
  return (await findUsers(connection, { id }))[0];
}

export async function findUserByEmail(connection: Connection, email: string): Promise<UserRow | undefined> {
  return (await findUsers(connection, { email }))[0];
}

/** A page of all users, newest first, and how many there are. */
export async function listUsers(
  connection: Connection,
  page: number,
  perPage: number,
): Promise<{ users: UserRow[]; total: number }> {
  const users = await findUsers(connection, {}, { limit: perPage, offset: (page - 1) * perPage });
  const { rows } = await connection.query<{ total: number }>(
    'select count(*)::int as total from auth.users where instance_id = $1',
    ['00000000-0000-0000-0000-000000000000'],
  );
  return { users, total: rows[0]?.total ?? 0 };
}

export interface NewUser {
  id?: string | undefined;
  email: string;
  /** Its hash; null: nobody can sign in with a password. */
  password: string | null;
  confirmed: boolean;
  role?: string | undefined;
  userMetadata: Metadata;
  appMetadata?: Metadata | undefined;
  bannedUntil?: Date | null | undefined;
}

/**
 * Makes a user and the identity that signs in with an email address. Triggers on auth.users run, and may refuse it.
 * @throws AuthError `code` when the address or the id is taken.
 */
export async function insertUser(connection: Connection, user: NewUser, code: string): Promise<UserRow> {
  const id = user.id ?? randomUUID();
  try {
    await connection.query(query('insert_user'), [
      id,
      user.role ?? 'authenticated',
      user.email,
      user.password,
      user.confirmed,
      { provider: 'email', providers: ['email'], ...user.appMetadata },
      { ...user.userMetadata, email_verified: user.confirmed },
      user.bannedUntil ?? null,
    ]);
  } catch (error) {
    if (isDuplicate(error)) throw duplicate(code);
    if (isRaised(error)) throw databaseError('saving new user', error);
    throw error;
  }
  return (await findUserById(connection, id)) as UserRow;
}

/** What an existing address is answered with, in the words of the endpoint. */
export function duplicate(code: string): AuthError {
  const message =
    code === 'user_already_exists'
      ? 'User already registered'
      : 'A user with this email address has already been registered';
  return new AuthError(422, code, message);
}

const databaseError = (what: string, cause: unknown) =>
  new AuthError(500, 'unexpected_failure', `Database error ${what}`, { cause });

// An error that has a SQLSTATE and is none of the connection or the request: a trigger or a constraint of the
// application.
function isRaised(error: unknown): boolean {
  const { code, severity } = error as { code?: string; severity?: string };
  return severity === 'ERROR' && !/^(57|08|53)/.test(code ?? '') && !isUnstorable(error);
}

export interface UserChange {
  email?: string | undefined;
  /** Its hash. */
  password?: string | undefined;
  /** Merged into what there is; a key that is null goes. */
  userMetadata?: Metadata | undefined;
  appMetadata?: Metadata | undefined;
  role?: string | undefined;
  confirmEmail?: boolean | undefined;
  /** Null lifts a ban. */
  bannedUntil?: Date | null | undefined;
}

/** @throws AuthError `email_exists` when the new address is somebody else's. */
export async function updateUser(
  connection: Connection,
  user: UserRow,
  change: UserChange,
): Promise<UserRow> {
  try {
    await connection.query(query('update_user'), [
      user.id,
      change.email ?? null,
      change.password ?? null,
      change.userMetadata ? merged(user.raw_user_meta_data, change.userMetadata) : null,
      change.appMetadata ? merged(user.raw_app_meta_data, change.appMetadata) : null,
      change.role ?? null,
      change.confirmEmail ?? false,
      change.bannedUntil !== undefined,
      change.bannedUntil ?? null,
    ]);
  } catch (error) {
    if (isDuplicate(error)) throw duplicate('email_exists');
    if (isRaised(error)) throw databaseError('updating user', error);
    throw error;
  }
  return (await findUserById(connection, user.id)) as UserRow;
}

function merged(before: Metadata | null, change: Metadata): Metadata {
  return Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value !== null));
}

export async function deleteUser(connection: Connection, id: string, soft: boolean): Promise<void> {
  if (soft) await connection.query(query('soft_delete_user'), [id]);
  else await connection.query('delete from auth.users where id = $1', [id]);
}

export function isBanned({ banned_until }: UserRow): boolean {
  return banned_until !== null && banned_until.getTime() > Date.now();
}

/** A user as the API shows it: no hash, and no key whose value is null. */
export function userJson(row: UserRow): Record<string, unknown> {
  const {
    encrypted_password: _,
    raw_app_meta_data,
    raw_user_meta_data,
    identities,
    email,
    phone,
    ...rest
  } = row;
  const shown = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  return {
    ...shown,
    email: email ?? '',
    phone: phone ?? '',
    app_metadata: raw_app_meta_data ?? {},
    user_metadata: raw_user_meta_data ?? {},
    identities: identities.map(({ id, provider_id, ...identity }) => ({
      identity_id: id,
      id: provider_id,
      ...identity,
    })),
  };
}
