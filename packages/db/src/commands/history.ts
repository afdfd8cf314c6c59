import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';

/** A migration in this checkout. */
export interface MigrationFile {
  name: string;
  sql: string;
}

/** A row of public._prisma_migrations that is not marked as rolled back. */
export interface MigrationRecord {
  id: string;
  name: string;
  checksum: string;
  startedAt: Date;
  finishedAt: Date | null;
  logs: string | null;
}

/** The database's history held against the checkout's, each list in the order of the migrations. */
export interface History {
  applied: MigrationRecord[];
  pending: MigrationFile[];
  /** Ended with an error of the database. */
  failed: MigrationRecord[];
  /** Neither finished nor failed. Whoever holds Prisma's lock knows that their process is gone. */
  interrupted: MigrationRecord[];
  /** Applied, and their file changed since. */
  edited: MigrationRecord[];
  /** Applied, and not in this checkout. */
  unknown: MigrationRecord[];
}

/** The migrations of a folder, in the order in which Prisma applies them. */
export function readMigrations(folder: string): MigrationFile[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, sql: readFileSync(join(folder, name, 'migration.sql'), 'utf8') }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** What the database says was applied; nothing when it was never migrated. */
export async function readRecords(client: pg.ClientBase): Promise<MigrationRecord[]> {
  const { rows: tables } = await client.query(
    `select from pg_catalog.pg_tables where schemaname = 'public' and tablename = '_prisma_migrations'`,
  );
  if (tables.length === 0) return [];
  const { rows } = await client.query<MigrationRecord>(
    `select id, migration_name as name, checksum, started_at as "startedAt", finished_at as "finishedAt", logs
     from public._prisma_migrations
     where rolled_back_at is null
     order by migration_name, started_at`,
  );
  return rows;
}

export function compare(files: MigrationFile[], records: MigrationRecord[]): History {
  const file = new Map(files.map((migration) => [migration.name, migration]));
  const applied = records.filter(({ finishedAt }) => finishedAt);
  const unfinished = records.filter(({ finishedAt }) => !finishedAt);
  const isApplied = new Set(applied.map(({ name }) => name));
  return {
    applied,
    pending: files.filter(({ name }) => !isApplied.has(name)),
    failed: unfinished.filter(({ logs }) => logs),
    interrupted: unfinished.filter(({ logs }) => !logs),
    edited: applied.filter(({ name, checksum }) => {
      const sql = file.get(name)?.sql;
      return sql !== undefined && !checksums(sql).includes(checksum);
    }),
    unknown: applied.filter(({ name }) => !file.has(name)),
  };
}

/** Prisma's checksum of a script, with either kind of line ending: git may have changed them on checkout. */
function checksums(sql: string): string[] {
  const unix = sql.replaceAll('\r\n', '\n');
  return [sql, unix, unix.replaceAll('\n', '\r\n')].map((text) =>
    createHash('sha256').update(text).digest('hex'),
  );
}

/** The one line of a failed migration's logs that names the cause: the engine frames it with its own words. */
export function cause(logs: string): string {
  const [said] = /\b(ERROR|FATAL): .+/.exec(logs) ?? [];
  const lines = logs.split('\n').map((line) => line.trim());
  return said ?? lines.find((line) => line && line !== 'external connector error') ?? 'no reason recorded';
}
