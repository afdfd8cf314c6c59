import pg from 'pg';
import type { TestDatabase } from '../harness/database.ts';
import { type Actor, actorsOf, become, logIn } from './actors.ts';
import { type Attempt, attemptsOn, attemptsToCall } from './attempts.ts';
import { type Catalog, readCatalog, type Table } from './catalog.ts';
import { makeRows, type Rows } from './fixtures.ts';
import { type Cell, condense, differences, enter, type Matrix, type Outcome, readMatrix } from './matrix.ts';

export interface Attack {
  catalog: Catalog;
  actors: Actor[];
  attempts: number;
  /** What came of each attempt, by the name of the table or function itself. */
  found: Matrix;
}

/** Two users with a row in every table, and every attacker on every table and function. */
export async function attackAll(
  db: TestDatabase,
  only: (target: string) => boolean = () => true,
): Promise<Attack> {
  const users = [await db.createUser({ tier: 'enterprise' }), await db.createUser({ tier: 'enterprise' })];
  const catalog = await readCatalog(db.sql);
  const [first, second] = await makeRows(db.sql, catalog, users);
  if (!first || !second) throw new Error('there are no rows to attack');
  const attack: Attack = { catalog, actors: actorsOf(users), attempts: 0, found: new Map() };

  // One attacker after the other: their transactions would wait for each other's locks.
  const connections = new Map<Actor['login'], pg.Client>();
  try {
    for (const actor of attack.actors) {
      const client = connections.get(actor.login) ?? (await logIn(actor.login, db.url));
      connections.set(actor.login, client);
      const [own, foreign] = actor.user === 1 ? [second, first] : [first, second];
      for (const [target, attempts] of attemptsOf(catalog, actor, own, foreign)) {
        if (only(target)) await attackOne(client, attack, actor, target, attempts);
      }
    }
  } finally {
    for (const client of connections.values()) await client.end();
  }
  return attack;
}

function* attemptsOf(
  catalog: Catalog,
  actor: Actor,
  own: Rows,
  foreign: Rows,
): Generator<[string, Attempt[]]> {
  for (const table of catalog.tables) {
    yield [table.id, attemptsOn(catalog, table, actor, own, foreign)];
  }
  for (const routine of catalog.routines) yield [routine.signature, attemptsToCall(routine, own, foreign)];
}

/** Tries each attempt from the same state, a round trip each. */
async function attackOne(
  client: pg.Client,
  attack: Attack,
  actor: Actor,
  target: string,
  attempts: Attempt[],
): Promise<void> {
  const cells = new Map<string, Cell>();
  await client.query(`${become(actor)}; savepoint attempt`);
  for (const { operation, scope, item, sql } of attempts) {
    const cell = cells.get(operation) ?? new Map();
    cells.set(operation, cell);
    enter(cell, scope, item, await outcomeOf(client, sql));
    attack.attempts++;
  }
  await client.query('rollback');
  const byActor = attack.found.get(target) ?? new Map();
  byActor.set(actor.name, cells);
  attack.found.set(target, byActor);
}

async function outcomeOf(client: pg.Client, sql: string): Promise<Outcome> {
  try {
    const answer: pg.QueryResult | pg.QueryResult[] = await client.query(
      `rollback to savepoint attempt; ${sql}`,
    );
    const result: pg.QueryResult = Array.isArray(answer) ? answer.at(-1) : answer;
    return result.rowCount === 0 ? 'no row' : 'yes';
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !error.code) throw error;
    return error.code === '42501' ? 'denied' : error.code;
  }
}

/** The partitions of a table come and go with the months: in the matrix they stand as one. */
function label(catalog: Catalog, target: string): string {
  const table = catalog.tables.find((candidate): candidate is Table => candidate.id === target);
  return table?.parent ? `${table.schema}.${table.parent.split('.').at(-1)}_*` : target;
}

export function byLabel({ catalog, found }: Attack): Matrix {
  const labelled: Matrix = new Map();
  for (const [target, byActor] of found) {
    if (!labelled.has(label(catalog, target))) labelled.set(label(catalog, target), byActor);
  }
  return labelled;
}

/** Everything that went otherwise than the matrix says, a line each; what it does not know was to be refused. */
export function compare({ catalog, found }: Attack, matrix: string): string[] {
  const expected = readMatrix(matrix);
  const report: string[] = [];
  const known = new Set([...expected.keys()].map((key) => key.split(' · ')[0] ?? ''));
  for (const [target, byActor] of found) {
    if (!known.has(label(catalog, target))) report.push(`not in the reviewed matrix: ${target}`);
    for (const [actor, cells] of byActor) {
      for (const [operation, cell] of cells) {
        const wanted = expected.get(`${label(catalog, target)} · ${actor} · ${operation}`) ?? '–';
        report.push(...differences(condense(cell), wanted, `${target} · ${actor} · ${operation}`));
      }
    }
  }
  return report;
}

/** What the matrix has and the database has not. */
export function gone(attack: Attack, matrix: string): string[] {
  const present = byLabel(attack);
  const targets = new Set([...readMatrix(matrix).keys()].map((key) => key.split(' · ')[0] ?? ''));
  return [...targets].filter((target) => !present.has(target));
}
