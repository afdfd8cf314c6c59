import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  DriverAdapterError,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { EngineError } from './errors.mjs';
import { Session } from './session.mjs';

/**
 * @typedef {import('./session.mjs').Target} Target
 * @typedef {{ script: string, error: Record<string, any> }} ScriptFailure
 */

const MAINTENANCE_DATABASES = ['postgres', 'template1', 'defaultdb'];

/** The databases one engine works on: the main one, and shadow databases while it needs them. */
export class Databases {
  /** @type {Set<Session>} */
  #open = new Set();
  /** @type {Set<string>} */
  #shadows = new Set();
  /** @type {Promise<Session> | undefined} */
  #main;
  #target;
  #shadowTarget;
  #stopping = false;

  /** What the server said about the last script that failed; the engine passes on only a part of it. */
  /** @type {ScriptFailure | undefined} */
  scriptFailure;

  /** @param {Target} target @param {Target} [shadowTarget] a database reserved for this purpose */
  constructor(target, shadowTarget) {
    this.#target = target;
    this.#shadowTarget = shadowTarget;
  }

  /** The main session, opened when it is first needed. */
  main() {
    this.#main ??= this.#session(this.#target);
    return this.#main;
  }

  /** What the engine asks for connections. */
  factory() {
    return bindMigrationAwareSqlAdapterFactory({
      provider: 'postgres',
      adapterName: '@prisma/adapter-pg',
      connect: async () => this.#adapter(await this.main(), async () => {}),
      connectToShadowDb: () => this.#shadow(),
    });
  }

  async #shadow() {
    if (this.#shadowTarget) {
      if (isSameDatabase(this.#shadowTarget, this.#target)) {
        throw new EngineError(
          'P3023',
          'The shadow database you configured appears to be the same as the main database. Please specify another shadow database.',
        );
      }
      const session = await this.#session(this.#shadowTarget);
      await empty(session);
      return this.#adapter(session, () => this.#close(session));
    }
    const main = await this.main();
    const database = `prisma_migrate_shadow_db_${randomUUID()}`;
    // Noted before it exists, so that stopping at any moment finds it.
    this.#shadows.add(database);
    // template1 cannot be copied while somebody is connected to it; nobody can connect to template0.
    await main.query(`create database ${pg.escapeIdentifier(database)} template template0`);
    const session = await this.#session({
      ...this.#target,
      database,
      config: { ...this.#target.config, database },
    });
    return this.#adapter(session, async () => {
      await this.#close(session);
      await main.query(dropShadow(database));
      this.#shadows.delete(database);
    });
  }

  /** @param {Target} target */
  async #session(target) {
    const session = await Session.open(target);
    this.#open.add(session);
    if (this.#stopping) await session.abort();
    return session;
  }

  /** @param {Session} session */
  async #close(session) {
    this.#open.delete(session);
    await session.end();
  }

  /** @param {Session} session @param {() => Promise<void>} dispose */
  async #adapter(session, dispose) {
    const adapter = await new PrismaPg(/** @type {any} */ (session), {
      schema: session.target.schema,
    }).connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query);
      for (const index of session.charColumns) result.columnTypes[index] = ColumnTypeEnum.Character;
      return result;
    };
    // The adapter cuts scripts at every semicolon, also inside functions and DO blocks, and so runs them
    // without the transaction that a script sent whole has.
    adapter.executeScript = async (script) => {
      try {
        await session.query(script);
      } catch (error) {
        const failure = /** @type {Record<string, any>} */ (error);
        this.scriptFailure = { script, error: failure };
        throw new DriverAdapterError({
          kind: 'postgres',
          // With its code the engine would replace the server's words, "relation … does not exist" by "No such
          // table": they are what stays in _prisma_migrations.logs.
          code: 'N/A',
          severity: failure.severity ?? 'ERROR',
          message: failure.message,
          detail: failure.detail,
          column: failure.column,
          hint: failure.hint,
        });
      }
    };
    adapter.dispose = dispose;
    return adapter;
  }

  /** Ends every session; aborts what is still running and drops what was temporary. */
  async stop() {
    this.#stopping = true;
    await Promise.allSettled([...this.#open].map((session) => session.abort()));
    if (this.#shadows.size === 0) return;
    const session = await Session.open(this.#target);
    for (const database of this.#shadows) await session.query(dropShadow(database));
    await session.end();
  }
}

/**
 * Connections to nothing, for what needs no database: the engine only asks for the server's version.
 */
export function offlineFactory() {
  const answer = {
    columnNames: ['exists', 'version', 'numeric_version'],
    columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
    rows: [[true, 'PostgreSQL 17.0', 170000]],
  };
  const refuse = () => Promise.reject(new EngineError(undefined, 'this needs a database'));
  /** @type {import('@prisma/driver-adapter-utils').SqlDriverAdapter} */
  const adapter = {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    queryRaw: () => Promise.resolve(answer),
    executeRaw: refuse,
    executeScript: refuse,
    startTransaction: refuse,
    getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
    dispose: () => Promise.resolve(),
  };
  return bindMigrationAwareSqlAdapterFactory({
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => Promise.resolve(adapter),
    connectToShadowDb: refuse,
  });
}

/** @param {string} database */
const dropShadow = (database) => `drop database if exists ${pg.escapeIdentifier(database)} with (force)`;

/** @param {Target} a @param {Target} b */
const isSameDatabase = (a, b) => a.host === b.host && a.port === b.port && a.database === b.database;

/**
 * Empties a shadow database that somebody provides, since nobody drops it in between.
 * @param {Session} session
 */
async function empty(session) {
  const { rows } = await session.query(
    `select nspname from pg_namespace
     where nspname !~ '^pg_' and nspname <> 'information_schema' and pg_has_role(nspowner, 'usage')`,
  );
  for (const { nspname } of rows) await session.query(`drop schema ${pg.escapeIdentifier(nspname)} cascade`);
  await session.query('create schema if not exists public');
}

/**
 * Connects to a database that exists on every server, to create or drop another one.
 * @param {Target} target
 */
async function maintenanceSession(target) {
  /** @type {unknown} */
  let failure;
  for (const database of MAINTENANCE_DATABASES) {
    try {
      return await Session.open({ ...target, database, config: { ...target.config, database } });
    } catch (error) {
      failure = error;
      const absent = error instanceof EngineError && (error.code === 'P1003' || error.code === 'P1010');
      if (!absent) break;
    }
  }
  throw failure;
}

/** @param {Target} target @returns {Promise<string>} its name */
export async function createDatabase(target) {
  const { database, schema } = target;
  const session = await maintenanceSession(target);
  try {
    await session.query(`create database ${pg.escapeIdentifier(database)}`);
  } catch (error) {
    const { code, message } = /** @type {{ code?: string, message: string }} */ (error);
    if (code === '42P04') {
      throw new EngineError('P1009', `Database \`${database}\` already exists on the database server`, {
        database_name: database,
      });
    }
    throw new EngineError('P3000', `Failed to create database: ${message}`, { database_error: message });
  } finally {
    await session.end();
  }
  const created = await Session.open(target);
  await created.query(`create schema if not exists ${pg.escapeIdentifier(schema)}`);
  await created.end();
  return database;
}

/** @param {Target} target */
export async function dropDatabase(target) {
  const session = await maintenanceSession(target);
  await session.query(`drop database ${pg.escapeIdentifier(target.database)}`);
  await session.end();
}
