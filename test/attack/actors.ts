import { loginUrl } from '@mobvibe/db/connection';
import pg from 'pg';

/** Who attacks: a login, what it becomes, and the claims it comes with. */
export interface Actor {
  name: string;
  login: 'mobvibe_app' | 'mobvibe_worker' | 'postgres';
  role?: 'anon' | 'authenticated' | 'service_role';
  claims?: Record<string, unknown>;
  /** Which user it is: the first or the second of the fixtures. */
  user?: 0 | 1;
}

/** The second user, with everything in the claims that a careless policy might believe. */
export const forgedClaims = (self: string, victim: string): Record<string, unknown> => {
  const wish = { role: 'service_role', sub: victim, user_id: victim, tier: 'enterprise', is_admin: true };
  return {
    sub: self,
    role: 'authenticated',
    email: 'admin@example.com',
    user_metadata: wish,
    app_metadata: { ...wish, roles: ['service_role', 'admin'] },
    user_id: victim,
    is_admin: true,
  };
};

export function actorsOf(users: string[]): Actor[] {
  const [alice = '', bob = ''] = users;
  const app = { login: 'mobvibe_app', role: 'authenticated' } as const;
  return [
    { name: 'anon', login: 'mobvibe_app', role: 'anon', claims: { role: 'anon' } },
    { name: 'a user', ...app, claims: { sub: alice, role: 'authenticated' }, user: 0 },
    { name: 'another user', ...app, claims: { sub: bob, role: 'authenticated' }, user: 1 },
    { name: 'forged claims', ...app, claims: forgedClaims(bob, alice), user: 1 },
    { name: 'no claims', ...app },
    { name: 'service_role', login: 'postgres', role: 'service_role', claims: { role: 'service_role' } },
    { name: 'mobvibe_app', login: 'mobvibe_app' },
    { name: 'mobvibe_worker', login: 'mobvibe_worker' },
  ];
}

/** What begins a transaction of an actor. */
export const become = ({ role, claims }: Actor): string =>
  [
    'begin',
    ...(role ? [`set local role ${role}`] : []),
    ...(claims
      ? [`select set_config('request.jwt.claims', ${pg.escapeLiteral(JSON.stringify(claims))}, true)`]
      : []),
  ].join('; ');

/** Opens a connection under the login's own name and password. */
export async function logIn(login: Actor['login'], url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: login === 'postgres' ? url : loginUrl(login, { url }) });
  await client.connect();
  return client;
}
