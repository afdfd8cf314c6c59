import pg, { type PoolClient, type QueryArrayConfig, type QueryConfig, type QueryResult } from 'pg';
import utils from 'pg/lib/utils.js';
import { type Acting, become } from './acting.ts';
import type { PreparedStatement, PreparedStatements } from './prepared-statements.ts';

// The parts of pg's queries and connections that this file relies on.
interface Query {
  submit(connection: Connection): null;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}
interface Connection {
  stream: { cork(): void; uncork(): void };
  parse(statement: { name: string; text: string }): void;
  bind(bound: { statement: string; values: readonly unknown[] }): void;
  describe(portal: { type: 'P' }): void;
  execute(): void;
  close(statement: { type: 'S'; name: string }): void;
  sync(): void;
}
const expected: (keyof Query)[] = ['submit', 'handleDataRow', 'handleCommandComplete'];
if (!expected.every((name) => name in pg.Query.prototype))
  throw new Error('this version of pg has other internals than 8.23');

type Config = QueryConfig | QueryArrayConfig;
interface Statement {
  text: string;
  values: readonly unknown[];
  prepared: PreparedStatement;
}

/**
 * Runs a statement on somebody's behalf, everything in one message: what turns into them, the statement, one
 * Sync. Postgres takes what stands before a Sync for one transaction and undoes it after any error, that of
 * a deferred constraint included.
 *
 * Not for SQL of the caller's own: a procedure or a DO block may commit such a transaction, and would go on as
 * nobody.
 * @throws DatabaseError of pg
 */
export async function runStatementAs(
  known: PreparedStatements,
  client: PoolClient,
  acting: Acting,
  config: Config,
): Promise<QueryResult> {
  const { text, values } = withoutOffset(config);
  const surplus = known.surplus(client);
  const becoming = become(acting);
  const statements: Statement[] = [
    { text: becoming, values: acting, prepared: known.on(client, becoming) },
    { text, values: values.map((value) => utils.prepareValue(value)), prepared: known.on(client, text) },
  ];
  try {
    const result = await send(client, config, statements, surplus);
    for (const { prepared } of statements) prepared.parsed = true;
    return result;
  } catch (error) {
    if (!isPlanLost(error)) throw error;
    // Nothing of it was executed, so that it may be sent again.
    if (error.code === UNKNOWN_STATEMENT) known.giveUp();
    for (const { prepared } of statements) prepared.parsed = false;
    return runStatementAs(known, client, acting, config);
  }
}

function send(
  client: PoolClient,
  config: Config,
  statements: Statement[],
  surplus: PreparedStatement[],
): Promise<QueryResult> {
  return new Promise((done, failed) => {
    const query = new pg.Query(config, (error, result) =>
      error ? failed(error) : done(result as QueryResult),
    );
    const { handleDataRow, handleCommandComplete } = query as unknown as Query;
    // The answers of all but the last are none of the caller's.
    let before = statements.length - 1;
    const own: Query = {
      submit: (connection) => {
        connection.stream.cork();
        try {
          for (const { name } of surplus) connection.close({ type: 'S', name });
          for (const statement of statements) execute(connection, statement, statement === statements.at(-1));
          connection.sync();
        } finally {
          connection.stream.uncork();
        }
        return null;
      },
      handleDataRow: (message) => {
        if (before === 0) handleDataRow.call(query, message);
      },
      handleCommandComplete: (message, connection) => {
        if (before === 0) handleCommandComplete.call(query, message, connection);
        else before -= 1;
      },
    };
    client.query(Object.assign(query, own) as unknown as pg.Submittable);
  });
}

function execute(connection: Connection, { text, values, prepared }: Statement, described: boolean): void {
  const { name, parsed } = prepared;
  if (!parsed) {
    // It may be there after all: a statement outlives the failure of its transaction.
    if (name) connection.close({ type: 'S', name });
    connection.parse({ name, text });
  }
  connection.bind({ statement: name, values });
  if (described) connection.describe({ type: 'P' });
  connection.execute();
}

const UNKNOWN_STATEMENT = '26000';

/** A pooler gave us a server's connection that has not prepared it, or the type of a result column was changed. */
const isPlanLost = (error: unknown): error is pg.DatabaseError =>
  error instanceof pg.DatabaseError &&
  (error.code === UNKNOWN_STATEMENT || error.routine === 'RevalidateCachedQuery');

/**
 * Without Prisma's OFFSET where it is zero. Postgres takes an offset it does not know for one that skips rows, finds
 * a plan for all values dear, and therefore plans a read by id, its policies included, anew each time.
 */
function withoutOffset({ text, values = [] }: Config): { text: string; values: unknown[] } {
  const [clause, parameter] = / OFFSET \$(\d+)$/.exec(text) ?? [];
  const isZero = clause && Number(parameter) === values.length && Number(values.at(-1)) === 0;
  return isZero ? { text: text.slice(0, -clause.length), values: values.slice(0, -1) } : { text, values };
}
