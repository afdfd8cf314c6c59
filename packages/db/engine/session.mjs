import { readFileSync } from 'node:fs';
import pg from 'pg';
import { connectionError, EngineError } from './errors.mjs';

/**
 * @typedef {{ host: string, port: number, user: string, database: string }} Address
 * @typedef {Address & { schema: string, config: pg.ClientConfig, tls: 'off' | 'try' | 'on' }} Target
 */

const CONNECT_TIMEOUT_SECONDS = 10;

const CHAR_OID = 18;
const TEXT_OID = 25;

/**
 * Reads a connection URL the way Prisma does. Options that only make sense for a pool (connection_limit,
 * pool_timeout, pgbouncer, statement_cache_size) are accepted and ignored.
 * @param {string} url
 * @returns {Target}
 */
export function parseUrl(url) {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new EngineError(
      'P1013',
      'The provided database string is invalid. The scheme is not recognized in database URL: it must start with `postgresql://` or `postgres://`.',
    );
  }
  const parsed = new URL(url);
  const option = (/** @type {string} */ name) => parsed.searchParams.get(name) ?? undefined;
  const seconds = (/** @type {string} */ name, /** @type {number} */ otherwise) => {
    const value = Number(option(name) ?? otherwise);
    return Number.isFinite(value) ? value * 1000 : otherwise * 1000;
  };
  const address = {
    // `?host=` names a socket directory; a URL's own host cannot hold slashes.
    host: option('host') ?? (decodeURIComponent(parsed.hostname).replace(/^\[|\]$/g, '') || 'localhost'),
    port: Number(parsed.port) || 5432,
    user: decodeURIComponent(parsed.username) || 'postgres',
    database: decodeURIComponent(parsed.pathname.slice(1)) || 'postgres',
  };
  const mode = option('sslmode') ?? 'disable';
  const startup = option('options');
  return {
    ...address,
    schema: option('schema') ?? 'public',
    tls: mode === 'disable' || mode === 'allow' ? 'off' : mode === 'prefer' ? 'try' : 'on',
    config: {
      ...address,
      // Fields instead of a connectionString: pg lets the latter win over `database`, so that a connection meant
      // for the shadow database would go to the main one.
      password: decodeURIComponent(parsed.password),
      connectionTimeoutMillis: seconds('connect_timeout', CONNECT_TIMEOUT_SECONDS),
      application_name: option('application_name') ?? 'prisma-schema-engine',
      keepAlive: true,
      ...(startup && { options: startup }),
      ssl: tlsOptions(mode, option),
    },
  };
}

/**
 * libpq's meaning of sslmode: `require` encrypts, `verify-ca` checks who signed, `verify-full` checks the host too.
 * @param {string} mode
 * @param {(name: string) => string | undefined} option
 * @returns {import('node:tls').ConnectionOptions}
 */
function tlsOptions(mode, option) {
  const file = (/** @type {string} */ name) => {
    const path = option(name);
    return path && readFileSync(path);
  };
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')];
  const verify = mode.startsWith('verify-') || Boolean(ca) || option('sslaccept') === 'strict';
  return {
    rejectUnauthorized: verify,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  };
}

/**
 * The one connection behind an engine. It stands in for a pg.Pool because @prisma/adapter-pg takes nothing
 * else, and differs from a pool of one connection where that would break Migrate: a pool discards the connection
 * after every failed statement, and with it the advisory lock; and it would silently go on with a new one.
 */
export class Session extends pg.Pool {
  /** @type {pg.Client} */
  #client;
  #target;
  #pid = 0;
  #running = 0;
  #closed = false;

  /** Which columns of the last result are of type "char". */
  /** @type {number[]} */
  charColumns = [];

  /** @param {Target} target @param {pg.Client} client */
  constructor(target, client) {
    super(target.config);
    this.#target = target;
    this.#client = client;
    client.on('error', () => {
      this.#closed = true;
    });
  }

  /** @param {Target} target */
  static async open(target) {
    const session = new Session(target, await connect(target));
    const { rows } = await session.query('select pg_backend_pid() as pid');
    session.#pid = rows[0].pid;
    const schema = pg.escapeIdentifier(target.schema);
    await session.query(`set search_path = ${schema}`);
    // A server whose client was killed stops working for it within a second instead of finishing the script.
    await session.query('set client_connection_check_interval = 1000').catch(() => {});
    return session;
  }

  get target() {
    return this.#target;
  }

  get busy() {
    return this.#running > 0;
  }

  /**
   * @param {any} query
   * @param {any} [values]
   * @returns {Promise<any>}
   */
  // @ts-expect-error pg.Pool declares nine overloads; the adapter uses this one.
  async query(query, values) {
    if (this.#closed) throw connectionClosed();
    this.#running++;
    try {
      const result = await this.#client.query(query, values);
      // A script of several statements has several results; nobody asks for their fields.
      if (!Array.isArray(result)) this.#readChars(result.fields);
      return result;
    } catch (error) {
      throw this.#closed ? connectionClosed() : error;
    } finally {
      this.#running--;
    }
  }

  /**
   * pg_catalog's one-letter columns are of type "char", which @prisma/adapter-pg refuses to read.
   * @param {pg.FieldDef[]} fields
   */
  #readChars(fields) {
    this.charColumns = fields.flatMap(({ dataTypeID }, index) => (dataTypeID === CHAR_OID ? [index] : []));
    for (const index of this.charColumns) /** @type {pg.FieldDef} */ (fields[index]).dataTypeID = TEXT_OID;
  }

  // @ts-expect-error as above
  async connect() {
    return {
      query: this.query.bind(this),
      on: () => {},
      removeListener: () => {},
      release: () => {},
    };
  }

  // @ts-expect-error as above
  async end() {
    this.#closed = true;
    await this.#client.end();
  }

  /** Stops what the server is doing for this session, so that no statement outlives the engine. */
  async abort() {
    const wasBusy = this.busy;
    this.#closed = true;
    if (wasBusy) {
      const other = await connect(this.#target);
      await other.query('select pg_terminate_backend($1)', [this.#pid]);
      await other.end();
    }
    await this.#client.end();
  }
}

/** The error with which node's own sockets say this, so that the adapter reports P1017. */
function connectionClosed() {
  return Object.assign(new Error('the connection to the database was closed'), {
    code: 'ECONNRESET',
    syscall: 'read',
    errno: -104,
  });
}

/** @param {Target} target @returns {Promise<pg.Client>} */
async function connect(target) {
  for (const ssl of target.tls === 'off' ? [false] : target.tls === 'on' ? [true] : [true, false]) {
    const client = new pg.Client({ ...target.config, ssl: ssl ? (target.config.ssl ?? false) : false });
    // Without a listener an error between two queries would end the process.
    client.on('error', () => {});
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      const plainOnly = /does not support SSL/.test(error instanceof Error ? error.message : '');
      if (!(target.tls === 'try' && ssl && plainOnly)) throw connectionError(error, target);
    }
  }
  throw new Error('unreachable');
}
