import { oneLine } from '@mobvibe/cli';
import { escapeIdentifier, type Pool } from 'pg';
import { z } from 'zod';
import type { Caller } from '../tokens.ts';
import { type Filter, filterCondition, parseFilter } from './filter.ts';
import { isApiRole } from './policies.ts';

const CHANGE_EVENTS = ['INSERT', 'UPDATE', 'DELETE'] as const;
export type ChangeEvent = (typeof CHANGE_EVENTS)[number];

/** What a client asks to follow. */
export const wishSchema = z.looseObject({
  event: z.string().nullish(),
  schema: z.string().nullish(),
  table: z.string().nullish(),
  filter: z.string().nullish(),
  select: z.array(z.string()).nullish(),
});
type Wish = z.infer<typeof wishSchema>;

/** A wish with its number, by which the client tells its subscriptions apart. */
export interface Subscription {
  id: number;
  wish: Wish;
  event: ChangeEvent | '*';
  schema: string;
  table: string;
  /** Undefined when malformed. */
  filters: Filter[] | undefined;
  select: string[] | undefined;
}

let lastId = 0;

export function createSubscription(wish: Wish): Subscription {
  const event = wish.event?.toUpperCase();
  return {
    id: ++lastId,
    wish,
    event: CHANGE_EVENTS.find((known) => known === event) ?? '*',
    schema: wish.schema ?? 'public',
    table: wish.table ?? '*',
    filters: parseFilter(wish.filter ?? ''),
    select: wish.select?.length ? wish.select : undefined,
  };
}

export function isFor({ schema, table }: Subscription, ofSchema: string, ofTable: string): boolean {
  return (schema === '*' || schema === ofSchema) && (table === '*' || table === ofTable);
}

export const isUnfitSubscription = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'UnfitSubscription';

/**
 * Checks what only the database knows: that the table is published, that the columns of a filter exist, may be read
 * by the caller, and can be compared with its values.
 * @throws an error with isUnfitSubscription, its message meant for the client.
 */
export async function checkSubscription(
  pool: Pool,
  publication: string,
  subscription: Subscription,
  caller: Caller,
): Promise<void> {
  const { schema, table, filters, select, wish } = subscription;
  const asked = `[event: ${subscription.event}, schema: ${schema}, table: ${table}, filter: ${wish.filter ?? ''}]`;
  if (!filters) throw unfit(`Error parsing \`filter\` params: ${wish.filter}`);
  const columns = [...filters.map(({ column }) => column), ...(select ?? [])];
  if (columns.length > 0 && (schema === '*' || table === '*')) {
    throw unfit(`A filter or a selection of columns needs a schema and a table: ${asked}`);
  }
  const published = await pool.query(
    `select from pg_catalog.pg_publication_tables
     where pubname = $1 and $2::text in ('*', schemaname::text) and $3::text in ('*', tablename::text) limit 1`,
    [publication, schema, table],
  );
  if (published.rowCount === 0) {
    throw unfit(
      'Unable to subscribe to changes with given parameters. ' +
        `Please check Realtime is enabled for the given connect parameters: ${asked}`,
    );
  }
  if (columns.length === 0) return;
  if (!isApiRole(caller.role)) throw unfit('the token has no role of the API');
  const entity = `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
  const readable = await pool.query<{ attname: string }>(
    `select attname from pg_catalog.pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped
       and pg_catalog.has_column_privilege($2, attrelid, attnum, 'select')`,
    [entity, caller.role],
  );
  const names = new Set(readable.rows.map(({ attname }) => attname));
  const missing = columns.find((column) => !names.has(column));
  if (missing !== undefined) throw unfit(`invalid column for filter ${missing}`);
  const { sql, values } = filterCondition(filters, 1);
  try {
    await pool.query(`select from (select (null::${entity}).*) as k where ${sql}`, values);
  } catch (error) {
    throw unfit(`Unable to subscribe to changes with given parameters: ${oneLine(error)}`);
  }
}

function unfit(message: string): Error {
  return Object.assign(new Error(message), { name: 'UnfitSubscription' });
}
