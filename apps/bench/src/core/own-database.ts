import { randomBytes } from 'node:crypto';
import { describe, type Target, withConnection } from '@mobvibe/cli';
import { createDatabase } from '@mobvibe/local';
import pg from 'pg';
import type { BenchServer } from './server.ts';

export interface OwnDatabase {
  target: Target;
  /** As the superuser. */
  admin: Target;
  drop(): Promise<void>;
}

/**
 * A database of its own on the server of the benchmark.
 * @param template copied with all that is in it; nobody may be connected to it
 */
export async function ownDatabase(
  { target, admin }: Required<BenchServer>,
  template = 'template0',
): Promise<OwnDatabase> {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  await createDatabase(admin.url, name, { template });
  return {
    target: inDatabase(target, name),
    admin: inDatabase(admin, name),
    drop: async () => {
      await withConnection(admin, (client) =>
        client.query(`drop database ${pg.escapeIdentifier(name)} with (force)`),
      );
    },
  };
}

const inDatabase = ({ url }: Target, name: string): Target =>
  describe(Object.assign(new URL(url), { pathname: name }).href);
