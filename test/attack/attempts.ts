import { escapeIdentifier as id } from 'pg';
import type { Actor } from './actors.ts';
import { type Catalog, ownerColumn, type Routine, type Table } from './catalog.ts';
import { literal, name, partitionValue, type Row, type Rows } from './fixtures.ts';
import { plausible } from './values.ts';

/** `blind`: without saying which row, for who may write what it may not read. */
export type Scope = 'own' | 'foreign' | 'blind';

export const OPERATIONS = ['select', 'insert', 'update', 'delete', 'truncate', 'other'] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Attempt {
  operation: Operation | 'call';
  scope: Scope;
  /** What is attempted: a column, or a column and the value it gets. */
  item: string;
  sql: string;
}

/** Everything an actor may try on a table, by the rows that are its own and those that are not. */
export function attemptsOn(
  catalog: Catalog,
  table: Table,
  actor: Actor,
  own: Rows,
  foreign: Rows,
): Attempt[] {
  if (table.kind === 'S') return onSequence(table);
  const attempts: Attempt[] = [];
  const target = name(table);
  const add = (operation: Operation, scope: Scope, item: string, sql: string): void => {
    attempts.push({ operation, scope, item, sql });
  };
  const writable = table.columns.filter((column) => !column.generated);

  for (const { scope, where } of scopesOf(table, own, foreign)) {
    for (const column of table.columns) {
      add('select', scope, column.name, `select ${id(column.name)} from ${target}${where}`);
    }
    for (const column of writable) {
      for (const { item, value } of changes(catalog, table, column.name, scope, own, foreign)) {
        add('update', scope, item, `update ${target} set ${id(column.name)} = ${literal(value)}${where}`);
      }
    }
    add('delete', scope, 'row', `delete from ${target}${where}`);
  }

  for (const scope of ['own', 'foreign'] as const) {
    const minimal = minimalRow(catalog, table, actor, scope === 'own' ? own : foreign);
    add('insert', scope, 'row', insert(target, minimal));
    for (const column of writable) {
      const value =
        minimal[column.name] ??
        relatedValue(catalog, table, column.name, scope === 'own' ? own : foreign) ??
        plausible(column, table.columns.indexOf(column), column.isUnique);
      add('insert', scope, column.name, insert(target, { ...minimal, [column.name]: value }));
      // On its own: a right to one column shows although the row would need others.
      if (scope === 'own') add('insert', 'blind', column.name, insert(target, { [column.name]: value }));
    }
  }
  add('insert', 'blind', 'row', `insert into ${target} default values`);

  add('truncate', 'own', 'table', `truncate ${target}`);
  add('truncate', 'blind', 'table', `truncate ${target} restart identity cascade`);

  const others = {
    lock: `lock table ${target} in access exclusive mode`,
    trigger: `create trigger attack before update on ${target} for each row execute function suppress_redundant_updates_trigger()`,
    rule: `create rule attack as on update to ${target} do instead nothing`,
    policy: `create policy attack on ${target} using (true)`,
    alter: `alter table ${target} disable row level security`,
    drop: `drop table ${target} cascade`,
    'copy out': `copy ${target} to stdout`,
    'copy in': `copy ${target} from stdin`,
  };
  for (const [item, sql] of Object.entries(others)) {
    if (table.kind === 'r' || table.kind === 'p' || item === 'copy out') add('other', 'own', item, sql);
  }
  return attempts;
}

/** Calls of a function, with arguments that lead to the own rows and to the other's. */
export function attemptsToCall(routine: Routine, own: Rows, foreign: Rows): Attempt[] {
  const verb = routine.kind === 'p' ? 'call' : 'select * from';
  const call = (rows: Rows): string =>
    routine.isTrigger
      ? `select ${id(routine.schema)}.${id(routine.name)}()`
      : `${verb} ${id(routine.schema)}.${id(routine.name)}(${routine.arguments
          .map((argument, n) => literal(argumentValue(argument, n, rows)))
          .join(', ')})`;
  return [
    { operation: 'call', scope: 'own', item: 'call', sql: call(own) },
    { operation: 'call', scope: 'foreign', item: 'call', sql: call(foreign) },
  ];
}

function onSequence(table: Table): Attempt[] {
  const sequence = literal(name(table));
  return [
    { operation: 'select', scope: 'own', item: 'last_value', sql: `select last_value from ${name(table)}` },
    { operation: 'update', scope: 'own', item: 'nextval', sql: `select nextval(${sequence})` },
    { operation: 'update', scope: 'own', item: 'setval', sql: `select setval(${sequence}, 1)` },
  ];
}

function scopesOf(table: Table, own: Rows, foreign: Rows): { scope: Scope; where: string }[] {
  const ofRow = (row: Row | undefined): string => {
    if (!row || table.key.length === 0) {
      throw new Error(`${table.id} has no primary key: its rows cannot be told apart`);
    }
    return ` where ${table.key.map((column) => `${id(column)} = ${literal(row[column])}`).join(' and ')}`;
  };
  const blind = { scope: 'blind', where: '' } as const;
  if (table.kind === 'v' || table.kind === 'm') return [blind];
  return [
    { scope: 'own', where: ofRow(own.get(table.id)) },
    { scope: 'foreign', where: ofRow(foreign.get(table.id)) },
    blind,
  ];
}

const insert = (target: string, row: Row): string => {
  const columns = Object.keys(row);
  return columns.length === 0
    ? `insert into ${target} default values`
    : `insert into ${target} (${columns.map(id).join(', ')}) values (${columns.map((column) => literal(row[column])).join(', ')})`;
};

/** The value of a column that refers to another table, or to the owner; undefined for any other column. */
function relatedValue(catalog: Catalog, table: Table, column: string, rows: Rows): string | null | undefined {
  const row = rows.get(table.id);
  if (column === ownerColumn(catalog, table)) return row?.[column];
  return table.foreignKeys.some((key) => key.columns.includes(column)) ? row?.[column] : undefined;
}

/** What a client has to say to make a row: what no default fills, for a role without a user the owner as well. */
function minimalRow(catalog: Catalog, table: Table, actor: Actor, rows: Rows): Row {
  const row: Row = {};
  table.columns.forEach((column, n) => {
    const filledByUser = column.default?.includes('auth.uid()') ?? false;
    if (!column.required && !(filledByUser && actor.user === undefined)) return;
    row[column.name] =
      relatedValue(catalog, table, column.name, rows) ?? plausible(column, n, column.isUnique);
  });
  if (table.partitionKey) row[table.partitionKey] = partitionValue(table);
  return row;
}

/** The values to update a column to: another parent, another owner, each label of an enum. */
function changes(
  catalog: Catalog,
  table: Table,
  column: string,
  scope: Scope,
  own: Rows,
  foreign: Rows,
): { item: string; value: string | null }[] {
  const at = table.columns.findIndex((candidate) => candidate.name === column);
  const of = table.columns[at];
  if (!of) return [];
  if (of.labels) return of.labels.map((label) => ({ item: `${column}=${label}`, value: label }));
  const related = relatedValue(catalog, table, column, scope === 'foreign' ? own : foreign);
  return [{ item: column, value: related === undefined ? plausible(of, at, of.isUnique) : related }];
}

// p_job_id and p_job_ids lead to the table of jobs, by its name; the worker is the one that holds the job.
function argumentValue(argument: Routine['arguments'][number], position: number, rows: Rows): string {
  const subject = /^(?:p_)?(\w+?)_ids?$/.exec(argument.name)?.[1];
  const value = (): string | null | undefined => {
    if (!subject) return undefined;
    if (subject === 'worker') return 'attack';
    if (subject === 'user') return rows.get('auth.users')?.id;
    for (const [table, row] of rows) if (new RegExp(`(\\.|_)${subject}s$`).test(table)) return row.id;
    return undefined;
  };
  const known = value();
  if (known === null || known === undefined) return plausible(argument, position);
  return argument.type.startsWith('_') ? `{${JSON.stringify(known)}}` : known;
}
