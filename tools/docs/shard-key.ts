import { CommandError } from '@mobvibe/cli';
import type { Table } from './data-model.ts';
import { code, table } from './markdown.ts';

/** A key of a table with users' rows. */
export interface UserKey {
  table: string;
  kind: 'primary key' | 'unique' | 'foreign key';
  columns: string[];
  /** Whether one user's rows alone decide whether it holds: then one shard can tell. */
  carriesUser: boolean;
}

const ID =
  'A uuid is unique without a constraint, and nobody may choose one to find out whether it exists. A distributed Postgres wants `(id, user_id)`, which is unique as well, for primary key.';

/** Why a key without the user is no obstacle, or what it costs. */
const EXCEPTIONS: Record<string, string> = {
  'public.projects (id)': ID,
  'public.coding_sessions (id)': ID,
  'public.coding_jobs (id)': ID,
  'public.profiles (stripe_customer_id)':
    'Holds on each shard alone. Stripe’s ids differ anyway: the key guards against a mistake of ours. A webhook knows only this id: write the user’s id into the customer’s metadata at Stripe.',
};

/** Every unique and every foreign key of the tables with users' rows, as the Prisma schema and the migrations have them. */
export function userKeys(tables: Table[]): UserKey[] {
  return tables.flatMap(({ name, columns, indexes, foreignKeys }) => {
    const owner = ownerColumn(name, columns);
    if (!owner) return [];
    const key = (kind: UserKey['kind'], of: string[]): UserKey => ({
      table: name,
      kind,
      columns: of,
      carriesUser: of.includes(owner),
    });
    return [
      ...indexes.flatMap((index) => (index.kind === 'index' ? [] : [key(index.kind, index.columns)])),
      ...foreignKeys.map((foreign) => key('foreign key', foreign.columns)),
    ];
  });
}

/** The id of a profile is the user's. */
const ownerColumn = (name: string, columns: { name: string }[]): string | undefined =>
  name === 'public.profiles' ? 'id' : columns.find((column) => column.name === 'user_id')?.name;

/**
 * The keys, and what follows for those that do not carry the user.
 * @throws CommandError when nobody has said what follows.
 */
export function shardKeyTable(tables: Table[]): string {
  return table(
    ['table', 'key', 'on', 'carries the user'],
    userKeys(tables).map((key) => [
      code(key.table),
      key.kind,
      code(`(${key.columns.join(', ')})`),
      verdict(key),
    ]),
  );
}

function verdict({ table: name, columns, carriesUser }: UserKey): string {
  if (carriesUser) return 'yes';
  const exception = EXCEPTIONS[`${name} (${columns.join(', ')})`];
  if (exception) return `**no.** ${exception}`;
  throw new CommandError(
    `the key (${columns.join(', ')}) of ${name} does not carry user_id: on more than one node it cannot be kept`,
    'add user_id to it, or say in tools/docs/shard-key.ts what follows',
  );
}
