/** The claims of a verified access token. Supabase Auth puts more into one; all of it reaches `auth.jwt()`. */
export interface Claims {
  /** The user's id. */
  sub: string;
  role: string;
  [claim: string]: unknown;
}

/** On whose behalf a statement runs: the values of `become`, which end with the transaction. */
export type Acting = readonly string[];

// Postgres applies a role's own setting at login only, so its timeout is set with it. auth.uid() and its like look
// into the settings of old, request.jwt.claim.<name>, first: what a connection may bring along there must not count,
// and the id found there spares each statement the parsing of the claims.
const SETTINGS = [
  'role',
  'statement_timeout',
  'request.jwt.claims',
  'request.jwt.claim.sub',
  'request.jwt.claim.role',
  'request.jwt.claim.email',
];

const setting = (names: string[]) =>
  `select ${names.map((name, index) => `pg_catalog.set_config('${name}', $${index + 1}, true)`).join(', ')}`;
const BECOME = setting(SETTINGS);
const BECOME_READER = setting([...SETTINGS, 'transaction_read_only']);

/** What turns a transaction into somebody's; its parameters are the Acting. */
export const become = (acting: Acting): string => (acting.length > SETTINGS.length ? BECOME_READER : BECOME);

/** The same, who may write nothing. Once it has read, a transaction cannot take that back. */
export const onlyReading = (acting: Acting): Acting => [...acting, 'on'];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @throws Error when the claims name no user, or a role that is not a signed-in user's. */
export function actingUser(claims: Claims): Acting {
  const { sub, role } = claims ?? {};
  if (typeof sub !== 'string' || !UUID.test(sub))
    throw new Error(
      'the claims name no user: sub is not a uuid\npass the claims of a verified token, as claimsFromJwt returns them',
    );
  if (role !== 'authenticated')
    throw new Error(
      `the claims are not a signed-in user's: role is ${JSON.stringify(role)}, not "authenticated"\npass the user's own access token, not an API key`,
    );
  return [role, '8s', JSON.stringify(claims), sub, '', ''];
}

export const actingAnon: Acting = ['anon', '3s', JSON.stringify({ role: 'anon' }), '', '', ''];
