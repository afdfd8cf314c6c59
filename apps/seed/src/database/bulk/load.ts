import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { NamedDataSet } from '../../options.ts';
import type { Rows } from '../../rows.ts';
import { noProfile, refuseOtherTime } from '../explained.ts';
import { lockOf } from '../lock.ts';
import type { Chunk } from './chunks.ts';
import { type CopyText, withoutRows } from './copy-text.ts';
import { type BulkTable, type Counts, countsOf } from './tables.ts';

/** How many rows of a chunk are there, and how many of them were not there before. */
export interface Loaded {
  present: Counts;
  added: Counts;
}

/**
 * Makes the database hold a chunk. Every trigger, foreign key and policy stays in force, as for any other writer;
 * what is there stays as it is. Runs inside the caller's transaction.
 */
export async function load(
  client: pg.ClientBase,
  tables: BulkTable[],
  dataSet: NamedDataSet,
  chunk: Chunk,
  { dryRun }: { dryRun: boolean },
): Promise<Loaded> {
  await begin(client, dataSet, chunk.index);
  const there = await usersThere(client, dataSet, chunk.rows);
  // Everything that a user owns goes with it: where no user is there, nothing is.
  const isNew = there.size === 0;
  const before = isNew
    ? await count(client, tables.slice(0, 1), chunk.rows)
    : await count(client, tables, chunk.rows);
  if (dryRun || tables.every(({ rows }) => before[rows] === chunk.text[rows].rows)) {
    return { present: before, added: countsOf(() => 0) };
  }

  const text = isNew && before.workers === 0 ? chunk.text : await missing(client, tables, chunk);
  const profiles = chunk.rows.profiles.filter(({ id }) => !there.has(id));
  for (const table of tables) {
    if (table.rows === 'profiles') await completeProfiles(client, profiles);
    else await copy(client, table, text[table.rows]);
  }
  await settleProfiles(client, profiles, chunk.rows);

  const present = await count(client, tables, chunk.rows);
  for (const { name, rows } of tables) {
    const lacking = chunk.text[rows].rows - present[rows];
    if (lacking > 0) throw new Error(`${lacking} rows of ${name} were not stored`);
  }
  return { present, added: countsOf(({ rows }) => present[rows] - before[rows]) };
}

/** Two seeds of one data set wait for each other, chunk by chunk. */
async function begin(client: pg.ClientBase, dataSet: NamedDataSet, index: number): Promise<void> {
  await client.query(
    `select pg_advisory_xact_lock(hashtextextended($1, 0)),
       -- No statistics know of rows that came just now.
       set_config('enable_seqscan', 'off', true)`,
    [lockOf(dataSet, index)],
  );
}

async function usersThere(
  client: pg.ClientBase,
  dataSet: NamedDataSet,
  { users }: Chunk['rows'],
): Promise<Set<string>> {
  const planned = new Map(users.map((user) => [user.id, user.createdAt]));
  const { rows } = await client.query<{ id: string; created_at: Date | null }>(
    'select id, created_at from auth.users where id = any ($1::uuid[])',
    [[...planned.keys()]],
  );
  for (const { id, created_at } of rows) refuseOtherTime(dataSet, planned.get(id) ?? null, created_at);
  return new Set(rows.map(({ id }) => id));
}

async function count(client: pg.ClientBase, tables: BulkTable[], rows: Chunk['rows']): Promise<Counts> {
  const counts = countsOf(() => 0);
  for (const table of tables) {
    const found = await client.query<{ count: number }>(
      `select count(*)::integer as count from (${table.find}) as found`,
      table.values(rows),
    );
    counts[table.rows] = found.rows[0]?.count ?? 0;
  }
  return counts;
}

/** The part of a chunk that is not there. */
async function missing(client: pg.ClientBase, tables: BulkTable[], chunk: Chunk): Promise<Chunk['text']> {
  const text = { ...chunk.text };
  for (const { rows, find, values, keyColumns } of tables) {
    const found = await client.query<{ key: string }>(find, values(chunk.rows));
    text[rows] = withoutRows(text[rows], keyColumns, new Set(found.rows.map(({ key }) => key)));
  }
  return text;
}

async function copy(
  client: pg.ClientBase,
  { name }: BulkTable,
  { columns, pieces, rows }: CopyText,
): Promise<void> {
  if (rows === 0) return;
  const stream = client.query(copyFrom(`copy ${name} (${columns.join(', ')}) from stdin`));
  await pipeline(Readable.from(takenFrom(pieces)), stream);
  if (stream.rowCount !== rows) throw new Error(`${stream.rowCount} of ${rows} rows went into ${name}`);
}

/** Each piece is let go of once it is sent. */
function* takenFrom(pieces: Buffer[]): Generator<Buffer> {
  for (let piece = pieces.shift(); piece; piece = pieces.shift()) yield piece;
}

async function completeProfiles(client: pg.ClientBase, profiles: Rows['profiles']): Promise<void> {
  if (profiles.length === 0) return;
  const { rowCount } = await client.query(sql('update_profiles'), [json(profiles)]);
  if (rowCount !== profiles.length) throw noProfile();
}

async function settleProfiles(
  client: pg.ClientBase,
  profiles: Rows['profiles'],
  { jobs }: Chunk['rows'],
): Promise<void> {
  const enqueuing = new Set(jobs.flatMap(({ status, userId }) => (status === 'pending' ? [userId] : [])));
  const counted = profiles.filter(({ id }) => enqueuing.has(id));
  if (counted.length > 0) await client.query(sql('settle_profiles'), [json(counted)]);
}

const json = (rows: object[]): string =>
  JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value));

const sql = (name: string): string => readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), 'utf8');
