import { errorCode } from '@mobvibe/cli';
import { escapeIdentifier, type Pool, types } from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import type { Caller } from '../tokens.ts';
import type { Follower } from './changes.ts';
import { filterCondition } from './filter.ts';
import { become, isApiRole, rolledBack } from './policies.ts';
import { type ChangeEvent, isFor, type Subscription } from './subscription.ts';

type RowMessage = Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete;

/** A row change of a committed transaction. */
export interface Change {
  message: RowMessage;
  /** ISO 8601. */
  committedAt: string;
}

/** A change that a follower receives: the numbers of its subscriptions, and the data as JSON text. */
export interface Decision {
  follower: Follower;
  ids: number[];
  data: string;
}

interface Table {
  secured: boolean;
  columns: { name: string; type: string; key: boolean; readers: string[] }[];
}

interface Row {
  new: Record<string, unknown> | undefined;
  old: Record<string, unknown> | undefined;
}

/**
 * Who receives which of these changes, in their order. As realtime.apply_rls decides it: the filters hold, the role
 * may read the primary key, and, where the table has row-level security, the role with the claims sees the row. A
 * deleted row can no longer be asked for: everybody with the subscription receives its primary key.
 */
export async function decideChanges(
  pool: Pool,
  changes: Change[],
  followers: Map<Follower, Subscription[]>,
  recordBytes: number,
): Promise<Decision[]> {
  const decisions: Decision[][] = changes.map(() => []);
  const byRelation = new Map<Pgoutput.MessageRelation, number[]>();
  for (const [index, { message }] of changes.entries()) {
    byRelation.set(message.relation, [...(byRelation.get(message.relation) ?? []), index]);
  }
  for (const [relation, indices] of byRelation) {
    const ofTable = indices.map((index) => changes[index] as Change);
    const decided = await decideTable(pool, relation, ofTable, followers, recordBytes);
    for (const [position, index] of indices.entries()) decisions[index] = decided[position] ?? [];
  }
  return decisions.flat();
}

async function decideTable(
  pool: Pool,
  relation: Pgoutput.MessageRelation,
  changes: Change[],
  followers: Map<Follower, Subscription[]>,
  recordBytes: number,
): Promise<Decision[][]> {
  const entity = `${escapeIdentifier(relation.schema)}.${escapeIdentifier(relation.name)}`;
  const callers = new Map<Follower, Caller>();
  for (const follower of followers.keys()) callers.set(follower, follower.caller());
  const roles = [...new Set([...callers.values()].map(({ role }) => role).filter(isApiRole))];
  const table = await readTable(pool, relation.relationOid, roles);
  const sources = changes.map(({ message }) => source(message, table));
  const rows = await typedRows(pool, entity, relation, sources);

  // Subscriptions with one filter, and followers with one set of claims, are asked for once.
  const matching = remember((subscription: Subscription) =>
    matches(pool, entity, relation, sources, subscription),
  );
  const visible = remember((caller: Caller) => visibleRows(pool, entity, relation, table, sources, caller));
  const describe = remember((index: number, role: string, select: string[] | undefined) =>
    describeChange(relation, table, changes[index] as Change, rows[index] as Row, role, select, recordBytes),
  );

  const decisions: Decision[][] = changes.map(() => []);
  for (const [follower, subscriptions] of followers) {
    const caller = callers.get(follower) as Caller;
    const own = subscriptions.filter((subscription) => isFor(subscription, relation.schema, relation.name));
    if (own.length === 0 || !isApiRole(caller.role)) continue;
    const seen = await visible(JSON.stringify(caller), caller);
    for (const [index, { message }] of changes.entries()) {
      const event = eventOf(message);
      if (event !== 'DELETE' && !seen.has(index)) continue;
      // Those with another selection of columns receive another message.
      const messages = new Map<string, number[]>();
      for (const subscription of own) {
        if (subscription.event !== '*' && subscription.event !== event) continue;
        const found = await matching(subscription.wish.filter ?? '', subscription);
        if (!found.has(index)) continue;
        const { select } = subscription;
        const data = describe(JSON.stringify([index, caller.role, select]), index, caller.role, select);
        messages.set(data, [...(messages.get(data) ?? []), subscription.id]);
      }
      for (const [data, ids] of messages) decisions[index]?.push({ follower, ids, data });
    }
  }
  return decisions;
}

const eventOf = ({ tag }: RowMessage) => tag.toUpperCase() as ChangeEvent;

async function readTable(pool: Pool, oid: number, roles: string[]): Promise<Table> {
  const { rows } = await pool.query<Table['columns'][number] & { secured: boolean }>(
    `select c.relrowsecurity as secured, a.attname as name, t.typname as type,
       coalesce(a.attnum = any (i.indkey), false) as key,
       array(
         select r from unnest($2::text[]) as r
         where has_schema_privilege(r, c.relnamespace, 'usage')
           and has_column_privilege(r, c.oid, a.attnum, 'select')
       ) as readers
     from pg_catalog.pg_class as c
     join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     join pg_catalog.pg_type as t on t.oid = a.atttypid
     left join pg_catalog.pg_index as i on i.indrelid = c.oid and i.indisprimary
     where c.oid = $1
     order by a.attnum`,
    // pgoutput's reader takes an oid for a signed number.
    [oid >>> 0, roles],
  );
  return { secured: rows[0]?.secured ?? true, columns: rows };
}

type Values = Record<string, string | null | undefined>;

/** The new and the old row, in Postgres' own text. */
interface Source {
  new: Values | undefined;
  old: Values | undefined;
}

function source(message: RowMessage, table: Table): Source {
  const row = 'new' in message ? message.new : undefined;
  if (message.tag === 'insert') return { new: row, old: undefined };
  // Without REPLICA IDENTITY FULL only the key of the old row is known; unless it changed, it is the new one's.
  const keys = table.columns.filter(({ key }) => key).map(({ name }) => name);
  const old = message.old ?? message.key ?? Object.fromEntries(keys.map((key) => [key, row?.[key]]));
  return { new: row, old };
}

/** The rows as a JSON array for fromRows; with `names`, only these columns of them. */
function rowsText(
  rows: (Values | undefined)[],
  { columns }: Pgoutput.MessageRelation,
  names?: Set<string>,
): string {
  const sent = columns.filter(({ name }) => !names || names.has(name));
  const texts = rows.map((row) => {
    if (!row) return 'null';
    // A long value that did not change is not in the stream.
    const known = sent.filter(({ name }) => row[name] !== undefined);
    return `{${known.map(({ name, typeOid }) => `${JSON.stringify(name)}:${valueText(row[name], typeOid)}`).join(',')}}`;
  });
  return `[${texts.join(',')}]`;
}

function valueText(value: string | null | undefined, typeOid: number): string {
  const isJson = typeOid === types.builtins.JSON || typeOid === types.builtins.JSONB;
  return isJson && typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** The rows with JSON values, as to_jsonb makes them of the table's types. */
async function typedRows(
  pool: Pool,
  entity: string,
  relation: Pgoutput.MessageRelation,
  sources: Source[],
): Promise<Row[]> {
  const typed = async (values: (Values | undefined)[]) => {
    const { rows } = await pool.query<{ row: Record<string, unknown> | null }>(
      `select case when jsonb_typeof(e.row) = 'object' then (
         select jsonb_object_agg(key, value) from jsonb_each(to_jsonb(k)) where e.row ? key
       ) end as row
       ${fromRows(entity)} order by e.n`,
      [rowsText(values, relation)],
    );
    return rows.map(({ row }) => row ?? undefined);
  };
  const [after, before] = [await typed(sources.map((s) => s.new)), await typed(sources.map((s) => s.old))];
  return sources.map((_, index) => ({ new: after[index], old: before[index] }));
}

const fromRows = (entity: string) =>
  `from jsonb_array_elements($1::jsonb) with ordinality as e (row, n)
   cross join lateral jsonb_populate_record(null::${entity}, nullif(e.row, 'null')) as k`;

/** Which changes a filter lets through; of a deleted row only the key is known. */
async function matches(
  pool: Pool,
  entity: string,
  relation: Pgoutput.MessageRelation,
  sources: Source[],
  { filters = [] }: Subscription,
): Promise<Set<number>> {
  if (filters.length === 0) return new Set(sources.keys());
  const condition = filterCondition(filters, 2);
  const names = new Set(filters.map(({ column }) => column));
  const rows = sources.map((row) => row.new ?? row.old);
  return indices(
    await pool.query<{ n: string }>(`select e.n ${fromRows(entity)} where ${condition.sql}`, [
      rowsText(rows, relation, names),
      ...condition.values,
    ]),
  );
}

/** Which rows the caller sees; none without the privilege to read the primary key. */
async function visibleRows(
  pool: Pool,
  entity: string,
  relation: Pgoutput.MessageRelation,
  table: Table,
  sources: Source[],
  caller: Caller,
): Promise<Set<number>> {
  const names = table.columns.filter(({ key }) => key).map(({ name }) => name);
  // Without a key to ask by, the change carries an error instead of a row.
  if (!table.secured || names.length === 0 || !readsKey(table, caller.role)) return new Set(sources.keys());
  const same = names
    .map((name) => escapeIdentifier(name))
    .map((key) => `t.${key} = k.${key}`)
    .join(' and ');
  const rows = sources.map((row) => row.new);
  return rolledBack(pool, async (client) => {
    await become(client, caller);
    try {
      return indices(
        await client.query<{ n: string }>(
          `select e.n ${fromRows(entity)} where exists (select from ${entity} as t where ${same})`,
          [rowsText(rows, relation, new Set(names))],
        ),
      );
    } catch (error) {
      // A policy that fails shows nothing: of this caller's rows, not of the others'.
      if (/^(22|42|P0)/.test(errorCode(error) ?? '')) return new Set();
      throw error;
    }
  });
}

const indices = ({ rows }: { rows: { n: string }[] }) => new Set(rows.map(({ n }) => Number(n) - 1));

const readsKey = ({ columns }: Table, role: string) =>
  columns.every(({ key, readers }) => !key || readers.includes(role));

// A record that is too long is told of with its short columns.
const SHORT_BYTES = 64;

function describeChange(
  { schema, name }: Pgoutput.MessageRelation,
  table: Table,
  { message, committedAt }: Change,
  row: Row,
  role: string,
  select: string[] | undefined,
  recordBytes: number,
): string {
  const type = eventOf(message);
  const about = { schema, table: name, type, commit_timestamp: committedAt };
  if (type !== 'DELETE' && !table.columns.some(({ key }) => key)) {
    return JSON.stringify({ ...about, columns: [], errors: ['Error 400: Bad Request, no primary key'] });
  }
  if (!readsKey(table, role)) {
    return JSON.stringify({ ...about, columns: [], errors: ['Error 401: Unauthorized'] });
  }
  const readable = table.columns.filter(
    (column) => column.readers.includes(role) && (!select || select.includes(column.name) || column.key),
  );
  const tooLong = JSON.stringify(row).length > recordBytes;
  const pick = (of: Record<string, unknown> | undefined, columns: Table['columns']) =>
    Object.fromEntries(
      columns
        .filter((column) => of && Object.hasOwn(of, column.name))
        .map((column) => [column.name, of?.[column.name]])
        .filter(([, value]) => !tooLong || JSON.stringify(value).length <= SHORT_BYTES),
    );
  // Nobody can be asked whether they saw a row that is gone.
  const known = type === 'DELETE' && table.secured ? readable.filter(({ key }) => key) : readable;
  return JSON.stringify({
    ...about,
    columns: readable.map(({ name: column, type: ofType }) => ({ name: column, type: ofType })),
    ...(type === 'DELETE' ? {} : { record: pick(row.new, readable) }),
    ...(type === 'INSERT' ? {} : { old_record: pick(row.old, known) }),
    errors: tooLong ? ['Error 413: Payload Too Large'] : null,
  });
}

/** Calls `make` once for each key. */
function remember<Input extends unknown[], Output>(
  make: (...input: Input) => Output,
): (key: string, ...input: Input) => Output {
  const made = new Map<string, Output>();
  return (key, ...input) => {
    if (!made.has(key)) made.set(key, make(...input));
    return made.get(key) as Output;
  };
}
