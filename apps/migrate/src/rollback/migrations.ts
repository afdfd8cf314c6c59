import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '@mobvibe/cli';
import { readRecords } from '@mobvibe/db/commands';
import type { ClientBase } from 'pg';

/** A migration that the database holds and that is to be taken back. */
export interface DownMigration {
  name: string;
  sql: string;
  /** Tables whose rows the migration itself puts in, from `-- reference: …`: dropping them loses nothing. */
  reference: string[];
}

/**
 * The migrations after `to`, newest first, with their down.sql.
 * @param to a number (`003`), a full name, or `000` for none
 * @throws CommandError when the history does not know `to`, or a down.sql is missing.
 */
export async function migrationsAfter(
  client: ClientBase,
  to: string,
  directory: string,
): Promise<DownMigration[]> {
  // One that failed or was killed half-way counts as well: its down.sql tolerates what is not there.
  const applied = [...new Set((await readRecords(client)).map(({ name }) => name))];
  const keep = /^0+$/.test(to) ? undefined : applied.find((name) => name === to || name.startsWith(`${to}_`));
  if (!keep && !/^0+$/.test(to)) {
    const known = applied.length > 0 ? applied.join(', ') : 'none';
    throw new CommandError(
      `no applied migration is called ${to}`,
      `name one of: ${known}; or 000 for all of them`,
    );
  }
  return applied
    .filter((name) => keep === undefined || name > keep)
    .reverse()
    .map((name) => readDown(name, directory));
}

function readDown(name: string, directory: string): DownMigration {
  const path = join(directory, name, 'down.sql');
  if (!existsSync(path)) {
    throw new CommandError(
      `migration ${name} is in the database, but this checkout has no down.sql for it`,
      'check out the commit that has it, or write its down.sql',
    );
  }
  const sql = readFileSync(path, 'utf8');
  return { name, sql, reference: /^-- reference: (.+)$/m.exec(sql)?.[1]?.split(/\s*,\s*/) ?? [] };
}
