/** The login roles that the SQL layer makes for the programs of this repository. */
export type LoginRole = 'mobvibe_app' | 'mobvibe_worker';

const passwordVariable: Record<LoginRole, string> = {
  mobvibe_app: 'MOBVIBE_APP_PASSWORD',
  mobvibe_worker: 'MOBVIBE_WORKER_PASSWORD',
};

/**
 * The connection URL of the database, from the argument or DATABASE_URL.
 * @throws Error when neither is given.
 */
export function databaseUrl(url = process.env.DATABASE_URL): string {
  if (url) return url;
  throw new Error('DATABASE_URL is not set: pass { url } or set it (pnpm local env prints the local one)');
}

export interface LoginOptions {
  /** By default DATABASE_URL. */
  url?: string | undefined;
  /** By default the environment's: MOBVIBE_APP_PASSWORD, MOBVIBE_WORKER_PASSWORD. */
  password?: string | undefined;
}

/**
 * The same database as another login: user and password replaced. On this machine's own database the password defaults to the role's
 * name, as `pnpm turbo migrate` sets it there. A URL that already names the role is left as it is.
 * @throws Error when the password of a remote database's role is not given.
 */
export function loginUrl(role: LoginRole, options: LoginOptions = {}): string {
  const target = new URL(databaseUrl(options.url));
  // A pooler names the tenant behind the role: postgres.<tenant>.
  const [login, tenant] = decodeURIComponent(target.username).split('.', 2);
  if (login === role) return target.href;
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(target.hostname);
  const password = options.password || process.env[passwordVariable[role]] || (isLocal ? role : undefined);
  if (!password) throw new Error(`${passwordVariable[role]} is not set: it is the password of ${role}`);
  target.username = encodeURIComponent(tenant ? `${role}.${tenant}` : role);
  target.password = encodeURIComponent(password);
  return target.href;
}
