import { AsyncLocalStorage } from 'node:async_hooks';
import { PrismaPg } from '@prisma/adapter-pg';
import type {
  IsolationLevel,
  SqlDriverAdapter,
  SqlDriverAdapterFactory,
  SqlQueryable,
  Transaction,
} from '@prisma/driver-adapter-utils';
import type { PoolClient, QueryArrayConfig, QueryConfig, QueryResult } from 'pg';
import { type Acting, become } from './acting.ts';
import { type PreparedStatements, preparedStatements } from './prepared-statements.ts';
import type { Freshness } from './replica.ts';
import { runStatementAs } from './statement-as.ts';

/** What the operation in progress is: who for, and whether its SQL was written by the caller. */
export interface Operation {
  acting: Acting;
  raw: boolean;
  /** Of a read that may be answered by a replica. */
  freshness?: Freshness | undefined;
}

/** From Prisma's engine, which knows the operation, down to the driver adapter, which is handed only SQL. */
export const operation = new AsyncLocalStorage<Operation>();

/** Where operations get their connections, which are made with `pipeline: true`. */
export interface Connections {
  connect(operation: Operation): Promise<PoolClient>;
  /** Another one for a single statement that failed, where it may be run again; else undefined. */
  connectInstead(operation: Operation, error: unknown): Promise<PoolClient> | undefined;
}

/**
 * A driver adapter over such connections. Each statement runs in a transaction that first becomes the user of the
 * operation; all of it leaves together, so that it costs one round trip. Without an operation nothing is sent.
 */
export function actingAdapter(connections: Connections): SqlDriverAdapterFactory {
  const { provider, adapterName } = new PrismaPg({});
  const known = preparedStatements();
  return {
    provider,
    adapterName,
    connect: async () => {
      const converted = await makeConverter();
      return {
        ...converted((config) => runAlone(connections, known, config)),
        startTransaction: (isolationLevel) => startTransaction(connections, known, converted, isolationLevel),
        getConnectionInfo: () => ({ supportsRelationJoins: true }),
        executeScript: () => Promise.reject(new Error('scripts are for migrations')),
        // The pools are their maker's to end.
        dispose: async () => {},
      } satisfies SqlDriverAdapter;
    },
  };
}

type Config = QueryConfig | QueryArrayConfig;
type Run = (config: Config) => Promise<Pick<QueryResult, 'fields' | 'rows' | 'rowCount'>>;
type Converter = (run: Run) => SqlQueryable;

/** Prisma's own adapter for the conversion of arguments, rows and errors, with another way to run the query. */
async function makeConverter(): Promise<Converter> {
  const stock = await new PrismaPg({}).connect();
  return (run) => {
    const adapter: SqlQueryable = Object.create(stock, { client: { value: { query: run } } });
    return {
      provider: stock.provider,
      adapterName: stock.adapterName,
      queryRaw: (query) => adapter.queryRaw(query),
      executeRaw: (query) => adapter.executeRaw(query),
    };
  };
}

const begin = (
  client: PoolClient,
  acting: Acting,
  isolationLevel?: IsolationLevel,
): Promise<QueryResult>[] => [
  client.query(isolationLevel ? `begin isolation level ${isolationLevel}` : 'begin'),
  client.query(become(acting), [...acting]),
];

// What `discard all` does, which is refused inside a transaction. Inside one it must be: between two
// transactions a pooler may change the server's connection behind ours.
const forget = [
  'reset role',
  'set session authorization default',
  'reset all',
  'close all',
  'deallocate all',
  'unlisten *',
  'select pg_advisory_unlock_all()',
  'discard temp',
  'discard sequences',
  'commit',
].join('; ');

/** Ends the transaction; when the caller's own SQL ran in it, what that left on the connection goes too. */
const finish = (client: PoolClient, raw: boolean): Promise<QueryResult>[] =>
  raw ? [client.query('commit and chain'), client.query(forget)] : [client.query('commit')];

async function runAlone(
  connections: Connections,
  known: PreparedStatements,
  config: Config,
): Promise<QueryResult> {
  const current = currentOperation();
  if (current.raw) refuseControl(config.text);
  try {
    return await runOn(connections.connect(current), known, current, config);
  } catch (error) {
    const instead = connections.connectInstead(current, error);
    if (!instead) throw error;
    return runOn(instead, known, current, config);
  }
}

async function runOn(
  connecting: Promise<PoolClient>,
  known: PreparedStatements,
  { acting, raw }: Operation,
  config: Config,
): Promise<QueryResult> {
  const { client, release } = await lease(connecting);
  if (!raw) {
    const [result] = await settled(client, release, () => [runStatementAs(known, client, acting, config)]);
    return result as QueryResult;
  }
  known.dropped(client);
  const [, , result] = await settled(client, release, () => [
    ...begin(client, acting),
    client.query(oneStatement(config)),
    ...finish(client, true),
  ]);
  return result as QueryResult;
}

async function startTransaction(
  connections: Connections,
  known: PreparedStatements,
  converted: Converter,
  isolationLevel: IsolationLevel | undefined,
): Promise<Transaction> {
  const opening = currentOperation();
  const { acting } = opening;
  const connecting = lease(connections.connect(opening));
  // Through the converter for the sake of its errors.
  await converted(() => connecting.then(() => nothing)).executeRaw(noQuery);
  const { client, release } = await connecting;
  // Not awaited: they travel together with the first statement.
  const opened = Promise.all(corked(client, () => begin(client, acting, isolationLevel)));
  opened.catch(() => {});
  let usedRaw = false;

  const end = (statements: () => Promise<QueryResult>[]): Promise<number> =>
    converted(() => settled(client, release, statements).then(() => nothing)).executeRaw(noQuery);

  const queryable = converted(async (config) => {
    const current = currentOperation();
    if (current.acting !== acting) throw new Error('a transaction belongs to the user who began it');
    if (current.raw) refuseControl(config.text);
    usedRaw ||= current.raw;
    if (current.raw) known.dropped(client);
    const [, result] = await Promise.all([opened, client.query(oneStatement(config))]);
    return result;
  });
  const execute = async (sql: string): Promise<void> => {
    await queryable.executeRaw({ ...noQuery, sql });
  };
  return {
    ...queryable,
    // Prisma sends no COMMIT and ROLLBACK of its own.
    options: { usePhantomQuery: true },
    commit: async () => {
      await end(() => [opened.then(() => nothing), ...finish(client, usedRaw).map(notRolledBack)]);
    },
    rollback: async () => {
      await end(() =>
        usedRaw ? [client.query('rollback and chain'), client.query(forget)] : [client.query('rollback')],
      );
    },
    createSavepoint: (name) => execute(`savepoint ${name}`),
    rollbackToSavepoint: (name) => execute(`rollback to savepoint ${name}`),
    releaseSavepoint: (name) => execute(`release savepoint ${name}`),
  };
}

const noQuery = { sql: '', args: [], argTypes: [] };
const nothing: QueryResult = { command: '', rowCount: 0, oid: 0, fields: [], rows: [] };

function currentOperation(): Operation {
  const current = operation.getStore();
  if (!current) throw new Error('no user: reach the database through asUser(claims) or asAnon()');
  return current;
}

// The extended protocol takes one statement: none can be smuggled in behind the first.
const oneStatement = (config: Config): Config & { queryMode: string } => ({
  ...config,
  queryMode: 'extended',
});

const CONTROL =
  /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(begin|start|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|copy)\b/i;

// To end our transaction is to end the user's role; a COPY would wait for data that nobody sends.
function refuseControl(sql: string): void {
  const [, command] = CONTROL.exec(sql) ?? [];
  if (command)
    throw new Error(
      `${command.toUpperCase()} cannot run as raw SQL: it runs in a transaction that belongs to the client\nuse $transaction`,
    );
}

// Postgres answers the COMMIT of a transaction in which a statement failed with a ROLLBACK, and no error.
const notRolledBack = async (ending: Promise<QueryResult>, index: number): Promise<QueryResult> => {
  const result = await ending;
  if (index === 0 && result.command === 'ROLLBACK')
    throw Object.assign(
      new Error('the transaction was rolled back: a statement in it had failed, and the error was caught'),
      { code: '25P02', severity: 'ERROR' },
    );
  return result;
};

/** Sends the statements together and ends the lease: all must do, or the first that failed is thrown. */
async function settled(
  client: PoolClient,
  release: () => void,
  statements: () => Promise<QueryResult>[],
): Promise<QueryResult[]> {
  try {
    const outcomes = await Promise.allSettled(corked(client, statements));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) {
      // Waits until the server is done with all of it.
      await client.query('rollback').catch(() => {});
      throw failed.reason;
    }
    return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  } finally {
    release();
  }
}

/** One write to the socket for all the statements of `send`. */
function corked<T>(client: PoolClient, send: () => T): T {
  const { stream } = (client as unknown as { connection: { stream: import('node:net').Socket } }).connection;
  stream.cork();
  try {
    return send();
  } finally {
    stream.uncork();
  }
}

/** A connection of a pool. One that is not idle at the end of the lease is destroyed, not returned. */
async function lease(connecting: Promise<PoolClient>): Promise<{ client: PoolClient; release: () => void }> {
  const client = await connecting;
  // The queries report a lost connection; without a listener the event would end the process.
  const ignore = () => {};
  client.on('error', ignore);
  return {
    client,
    release: () => {
      client.removeListener('error', ignore);
      client.release(client.getTransactionStatus() !== 'I');
    },
  };
}
