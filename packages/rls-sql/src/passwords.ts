import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { loadEnvironment, type Target } from '@mobvibe/cli';
import pg, { type ClientBase } from 'pg';

const ITERATIONS = 4096;

/**
 * Gives the login roles the passwords of the environment; on a database of this machine they are well known, as
 * that of postgres is. Returns the roles whose password was changed.
 */
export async function setLoginPasswords(client: ClientBase, to: Target): Promise<string[]> {
  const { MOBVIBE_APP_PASSWORD, MOBVIBE_WORKER_PASSWORD } = loadEnvironment();
  const passwords = { mobvibe_app: MOBVIBE_APP_PASSWORD, mobvibe_worker: MOBVIBE_WORKER_PASSWORD };
  const changed: string[] = [];
  for (const [role, given] of Object.entries(passwords)) {
    const password = given ?? (to.isLocal ? role : undefined);
    if (password && (await setPassword(client, to.url, role, password))) changed.push(role);
  }
  return changed;
}

/**
 * Gives a login role its password, unless it already has it. Only the SCRAM verifier travels: the password
 * itself reaches neither the server's log nor pg_stat_statements. Returns whether it was changed.
 * @param url any connection URL of the same database; user and password are replaced
 */
async function setPassword(
  client: ClientBase,
  url: string,
  role: string,
  password: string,
): Promise<boolean> {
  if (await canLogIn(url, role, password)) return false;
  await client.query(
    `alter role ${pg.escapeIdentifier(role)} password ${pg.escapeLiteral(scramVerifier(password))}`,
  );
  return true;
}

/** The form in which Postgres stores a password (RFC 5803). */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

async function canLogIn(url: string, role: string, password: string): Promise<boolean> {
  const target = new URL(url);
  target.username = encodeURIComponent(role);
  target.password = encodeURIComponent(password);
  const client = new pg.Client({ connectionString: target.href, connectionTimeoutMillis: 5000 });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
