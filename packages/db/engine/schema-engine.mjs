#!/usr/bin/env node
// Stands in for Prisma's native schema engine, which would have to be downloaded: the same arguments and the same
// protocol on stdin and stdout, around the WebAssembly build of the same engine. README.md says why and how.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createDatabase, Databases, dropDatabase, offlineFactory } from './adapter.mjs';
import { EngineError, migrationError } from './errors.mjs';
import { keepingGrants, withPlatformObjects } from './platform.mjs';
import { log, serve } from './rpc.mjs';
import { parseUrl, Session } from './session.mjs';

const SHUTDOWN_LIMIT_MS = 4000;

/** The methods that compare a database with the schema. */
const COMPARING = new Set([
  'createMigration',
  'devDiagnostic',
  'diagnoseMigrationHistory',
  'evaluateDataLoss',
  'introspect',
  'schemaPush',
]);

const { values, positionals } = parseArgs({
  options: {
    datamodels: { type: 'string', short: 'd', multiple: true },
    datasource: { type: 'string' },
    // The schema names its preview features itself; extension types matter to other databases only.
    'enabled-preview-features': { type: 'string' },
    'extension-types': { type: 'string' },
    version: { type: 'boolean' },
  },
  allowPositionals: true,
});

/** @type {{ url?: string, shadowDatabaseUrl?: string }} */
const datasource = JSON.parse(values.datasource ?? '{}');

/** @param {string} line */
const forwardLog = (line) => process.stderr.write(`${line.trimEnd()}\n`);

function target() {
  if (!datasource.url) {
    throw new EngineError(undefined, 'The datasource.url property is required in your Prisma config file.');
  }
  return parseUrl(datasource.url);
}

if (values.version) await printVersion();
else if (positionals[0] === 'cli') await runCommand(positionals[1] ?? '');
else runServer();

async function printVersion() {
  const { loadEngine } = await import('./wasm.mjs');
  const { version } = await loadEngine();
  process.stdout.write(`schema-engine-cli ${version()}\n`);
}

/** @param {string} command */
async function runCommand(command) {
  // The CLI skips the first line.
  log('INFO', { message: 'Starting schema engine CLI' });
  try {
    log('INFO', { message: await perform(command) });
  } catch (error) {
    const { code, message, meta } = toEngineError(error);
    log('ERROR', { is_panic: false, error_code: code ?? '', message, meta });
    process.exitCode = 1;
  }
}

/** @param {string} command */
async function perform(command) {
  switch (command) {
    case 'can-connect-to-database':
      await (await Session.open(target())).end();
      return 'Connection successful';
    case 'create-database':
      return `Database '${await createDatabase(target())}' was successfully created.`;
    case 'drop-database':
      await dropDatabase(target());
      return 'The database was successfully dropped.';
    default:
      throw new EngineError(undefined, `unknown command ${command}`);
  }
}

function runServer() {
  /** @type {Databases | undefined} */
  let databases;
  /** @type {Promise<any> | undefined} */
  let engine;

  const open = () => {
    databases ??= new Databases(
      target(),
      datasource.shadowDatabaseUrl ? parseUrl(datasource.shadowDatabaseUrl) : undefined,
    );
    return databases;
  };

  const start = async () => {
    const sources = values.datamodels?.map((path) => [path, readFileSync(path, 'utf8')]);
    const connections = open();
    // Opened here rather than by the engine, so that its errors carry Prisma's codes.
    const [{ loadEngine }] = await Promise.all([import('./wasm.mjs'), connections.main()]);
    const { SchemaEngine } = await loadEngine();
    return SchemaEngine.new(
      { datamodels: /** @type {[string, string][] | undefined} */ (sources) },
      forwardLog,
      connections.factory(),
    );
  };

  /** @param {any} params */
  const diffOffline = async (params) => {
    const { loadEngine } = await import('./wasm.mjs');
    const { SchemaEngine } = await loadEngine();
    return (await SchemaEngine.new({ datamodels: undefined }, forwardLog, offlineFactory())).diff(params);
  };

  /** @type {Promise<void> | undefined} */
  let previewFeatures;

  // The WebAssembly engine reads the schema's preview features in `diff` only. Without partialIndexes it does not see
  // the partial indexes of a database, and `migrate dev` would make them again and again.
  const readPreviewFeatures = async () => {
    const files = values.datamodels?.map((path) => ({ path, content: readFileSync(path, 'utf8') }));
    if (!files?.some(({ content }) => content.includes('previewFeatures'))) return;
    await (await engine)
      .diff({
        from: { tag: 'empty' },
        to: { tag: 'schemaDatasource', files, configDir: '' },
        script: false,
        exitCode: null,
        filters: { externalTables: [], externalEnums: [] },
      })
      // A schema that cannot be read is reported by the method that was called.
      .catch(() => {});
  };

  /** @param {string} method @param {any} params */
  const call = async (method, params) => {
    engine ??= start();
    const instance = await engine;
    if (COMPARING.has(method)) {
      previewFeatures ??= readPreviewFeatures();
      await previewFeatures;
    }
    open().scriptFailure = undefined;
    return instance[method](await withFilters(params));
  };

  /** @param {any} params */
  const withFilters = async (params) => {
    const filter = async (/** @type {any} */ value) => withPlatformObjects(await open().main(), value);
    if (params?.filters) return { ...params, filters: await filter(params.filters) };
    if (params?.filter) return { ...params, filter: await filter(params.filter) };
    return params;
  };

  /** @type {Record<string, (params: any, print: (text: string) => Promise<unknown>) => Promise<unknown>>} */
  const methods = {
    getDatabaseVersion: () => call('version', undefined),
    createDatabase: async () => ({ databaseName: await createDatabase(target()) }),
    ensureConnectionValidity: async () => {
      await open().main();
      return {};
    },
    diff: async (params, print) => {
      const { exitCode, stdout } = await (needsNoDatabase(params)
        ? diffOffline(params)
        : call('diff', params));
      // The CLI adds the line break itself.
      if (stdout) await print(stdout.replace(/\n$/, ''));
      return { exitCode, stdout: null };
    },
    applyMigrations: async (params) => {
      try {
        return await call('applyMigrations', params);
      } catch (error) {
        throw failedMigration(params, open().scriptFailure) ?? error;
      }
    },
    reset: async (params) => keepingGrants(await open().main(), () => call('reset', params)),
  };
  for (const method of [
    'createMigration',
    'dbExecute',
    'debugPanic',
    'devDiagnostic',
    'diagnoseMigrationHistory',
    'evaluateDataLoss',
    'introspect',
    'introspectSql',
    'markMigrationApplied',
    'markMigrationRolledBack',
    'schemaPush',
  ]) {
    methods[method] = (params) => call(method, params);
  }

  let stopping = false;
  const stop = async (exitCode = 0) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), SHUTDOWN_LIMIT_MS).unref();
    await databases?.stop().catch((error) => log('ERROR', { message: error.message }));
    process.exit(exitCode);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop());
  const fail = serve(methods, toEngineError, stop);
  // A Rust panic surfaces outside every promise, and no call to the engine is safe after one.
  process.once('uncaughtException', (error) => {
    fail(error);
    stop(101);
  });
}

/** @param {import('@prisma/schema-engine-wasm').DiffParams} params */
function needsNoDatabase({ from, to }) {
  return [from, to].every(({ tag }) => tag === 'empty' || tag === 'schemaDatamodel');
}

/**
 * @param {{ migrationsList: import('@prisma/schema-engine-wasm').MigrationList }} params
 * @param {import('./adapter.mjs').ScriptFailure | undefined} failure
 */
function failedMigration({ migrationsList }, failure) {
  if (!failure?.error.severity) return undefined;
  const isScript = (/** @type {import('@prisma/schema-engine-wasm').MigrationFile} */ file) =>
    file.content.tag === 'ok' && file.content.value === failure.script;
  const migration = migrationsList.migrationDirectories.find(({ migrationFile }) => isScript(migrationFile));
  return migration && migrationError(migration.path, failure.script, failure.error);
}

/** @param {unknown} error @returns {EngineError} */
function toEngineError(error) {
  if (error instanceof EngineError) return error;
  const { code, message = String(error), meta } = /** @type {any} */ (error ?? {});
  return new EngineError(typeof code === 'string' && /^P\d{4}$/.test(code) ? code : undefined, message, meta);
}
