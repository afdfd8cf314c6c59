import { createHash } from 'node:crypto';
import type { PoolClient } from 'pg';

/** What the connections of a pool have prepared. */
export interface PreparedStatements {
  /** The statement of this SQL on a connection, from now on its last to be dropped; without one it has no name. */
  on(client: PoolClient, text: string): PreparedStatement;
  /** Those that a connection holds too many of; the caller closes them. */
  surplus(client: PoolClient): PreparedStatement[];
  /** A connection has dropped all of its own. */
  dropped(client: PoolClient): void;
  /** From now on no statement has a name. */
  giveUp(): void;
}

export interface PreparedStatement {
  /** Of its SQL, so that one name never means two statements, whoever else shares a server's connection. Or empty. */
  name: string;
  /** Whether the server knows it for sure. */
  parsed: boolean;
}

const MOST = 200;
// One so long is a list of values, hardly twice the same.
const LONGEST = 4_000;

export function preparedStatements(): PreparedStatements {
  const byClient = new WeakMap<PoolClient, Map<string, PreparedStatement>>();
  let used = true;

  return {
    on: (client, text) => {
      if (!used || text.length > LONGEST) return { name: '', parsed: false };
      const known = byClient.get(client) ?? new Map<string, PreparedStatement>();
      byClient.set(client, known);
      const statement = known.get(text) ?? { name: nameOf(text), parsed: false };
      known.delete(text);
      known.set(text, statement);
      return statement;
    },
    surplus: (client) => {
      const known = byClient.get(client) ?? new Map<string, PreparedStatement>();
      const oldest = [...known].slice(0, Math.max(0, known.size - MOST));
      for (const [text] of oldest) known.delete(text);
      return oldest.map(([, statement]) => statement);
    },
    dropped: (client) => {
      byClient.delete(client);
    },
    giveUp: () => {
      used = false;
    },
  };
}

const nameOf = (text: string): string =>
  `mobvibe_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
