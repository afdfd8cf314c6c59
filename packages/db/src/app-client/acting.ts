import pg from 'pg';

/** The claims of a verified access token. Supabase Auth puts more into one; all of it reaches `auth.jwt()`. */
export interface Claims {
  /** The user's id. */
  sub: string;
  role: string;
  [claim: string]: unknown;
}

/** On whose behalf a statement runs. */
export interface Acting {
  /** What turns a transaction into theirs, and ends with it. */
  become: string;
}

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
  return acting('authenticated', claims, '8s');
}

export const actingAnon: Acting = acting('anon', { role: 'anon' }, '3s');

// Postgres applies a role's own setting at login only, so its timeout is set with it. auth.uid() and its like look
// into the settings of old, request.jwt.claim.<name>, first. SET is quicker than set_config(): nothing to plan.
function acting(role: string, claims: object, statementTimeout: string): Acting {
  return {
    become: [
      `set local role ${role}`,
      `set local statement_timeout = '${statementTimeout}'`,
      `set local request.jwt.claims = ${pg.escapeLiteral(JSON.stringify(claims))}`,
      ...['sub', 'role', 'email'].map((claim) => `set local request.jwt.claim.${claim} = ''`),
    ].join('; '),
  };
}
