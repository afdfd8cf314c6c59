import pg from 'pg';
import { loadEnvironment } from './environment.ts';
import { CommandError, errorCode, oneLine } from './error.ts';

const CONNECT_TIMEOUT_SECONDS = 10;

/** The database that commands touch: DIRECT_URL for migrations, DATABASE_URL for everything else. */
export interface Target {
  url: string;
  /** Without the password: `postgres@127.0.0.1:54322/postgres (local)`. */
  description: string;
  isLocal: boolean;
}

/**
 * The database a command is about to touch.
 * @throws CommandError when neither the environment nor a running local stack names one.
 */
export function target(purpose: 'runtime' | 'migration'): Target {
  const { DATABASE_URL, DIRECT_URL } = loadEnvironment();
  const url = purpose === 'migration' ? (DIRECT_URL ?? DATABASE_URL) : (DATABASE_URL ?? DIRECT_URL);
  if (!url) {
    throw new CommandError(
      'no database: DATABASE_URL is not set and no local stack is running',
      'pnpm local start, or set DATABASE_URL',
    );
  }
  return describe(url);
}

/** What a connection URL points at, without its password. */
export function describe(url: string): Target {
  const parsed = new URL(url);
  const host = parsed.hostname || 'localhost';
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(host);
  const where = `${decodeURIComponent(parsed.username)}@${host}:${parsed.port || 5432}${parsed.pathname}`;
  return { url, description: `${where} (${isLocal ? 'local' : 'remote'})`, isLocal };
}

/**
 * Refuses what destroys data on a database that is not on this machine.
 * @throws CommandError unless the target is local or `allowed`.
 */
export function refuseRemote(to: Target, what: string, allowed: boolean): void {
  if (to.isLocal || allowed) return;
  throw new CommandError(`${what} would change ${to.description}`, 'if that is meant, add --allow-remote');
}

/**
 * Opens one connection.
 * @throws CommandError saying which part of the URL is wrong: host, port, password, database.
 */
export async function connect(to: Target, options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: to.url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_SECONDS * 1000,
    application_name: 'mobvibe',
    ...options,
  });
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    throw connectionError(error, to);
  }
  // A connection that dies between two queries says so at the next query; an unheard event would end the process.
  client.on('error', () => {});
  return client;
}

/** Runs `task` on a connection of its own and closes it whatever happens. */
export async function withConnection<T>(to: Target, task: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(to);
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}

/** A connection failure in words: what is wrong and what to do. */
export function connectionError(error: unknown, to: Target): CommandError {
  const url = new URL(to.url);
  const start = to.isLocal ? 'pnpm local start, or correct DATABASE_URL' : 'correct the host in DATABASE_URL';
  const because = (message: string, fix: string) => new CommandError(message, fix, { cause: error });
  switch (errorCode(error)) {
    case 'ECONNREFUSED':
      return because(`nothing listens at ${url.host}`, start);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return because(`the host ${url.hostname} cannot be found`, 'correct the host in DATABASE_URL');
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return because(
        `the host ${url.hostname} cannot be reached`,
        'check the network, or the host in DATABASE_URL',
      );
    case '28P01':
    case '28000':
      return because(
        `the server at ${url.host} refuses user ${decodeURIComponent(url.username)} with this password`,
        'correct user and password in DATABASE_URL (percent-encode special characters)',
      );
    case '3D000':
      return because(
        `there is no database ${url.pathname.slice(1)} at ${url.host}`,
        'correct its name in DATABASE_URL',
      );
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return because(
        `the certificate of ${url.hostname} is signed by nobody this machine knows`,
        'give its CA with sslmode=verify-full&sslrootcert=FILE, or encrypt without verifying with sslmode=require&uselibpqcompat=true',
      );
    case '53300':
      return because(
        `the server at ${url.host} has no connection left`,
        'close other clients, or try again later',
      );
    case '57P03':
      return because(`the server at ${url.host} is starting up or shutting down`, 'try again in a moment');
    default:
      if (/timeout/i.test(oneLine(error))) {
        return because(
          `${url.host} did not answer within ${CONNECT_TIMEOUT_SECONDS} s`,
          'check the network, or the host in DATABASE_URL',
        );
      }
      return because(`cannot connect to ${to.description}: ${oneLine(error)}`, 'check DATABASE_URL');
  }
}
