import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, connect, duration, say, type Target } from '@mobvibe/cli';
import type pg from 'pg';
import {
  cause,
  compare,
  type History,
  type MigrationRecord,
  readMigrations,
  readRecords,
} from './history.ts';
import { releaseLock, takeLock } from './lock.ts';
import { checkPlatform, refuseTransactionPooler } from './platform.ts';
import { projectFolder } from './project.ts';

const PROGRESS_MS = 200;
const AFTER_INTERRUPT_SECONDS = 5;

export interface DeployOptions {
  /** How long to wait for somebody else's migration, in seconds. */
  wait?: number;
  /** A folder with a prisma.config.ts and prisma/migrations. */
  project?: string;
}

export interface Deployed {
  /** The names of the migrations that this deploy applied. */
  applied: string[];
  /** How many were applied before. */
  before: number;
}

/**
 * Brings a database up to the migrations of this checkout with `prisma migrate deploy`. What Prisma would refuse, or
 * would not notice, is found before and said in two lines; a migration whose deploy was killed is taken up again.
 * @throws CommandError
 */
export async function deploy(to: Target, options: DeployOptions = {}): Promise<Deployed> {
  const { wait = 60, project = projectFolder } = options;
  refuseTransactionPooler(to);
  const started = performance.now();
  const client = await connect(to, { application_name: 'mobvibe deploy' });
  try {
    await checkPlatform(client, to);
    const first = await inspect(client, to, project, wait);
    // Prisma would look at the same rows and files, and take a second and a half to start.
    const applied = first.pending.length > 0 ? await apply(client, to, project, wait) : [];
    const count = (n: number) => `${n} migration${n === 1 ? '' : 's'}`;
    const took = duration(performance.now() - started);
    if (applied.length > 0) say(`✓ applied ${count(applied.length)} in ${took}`);
    else say(`✓ nothing to do: ${count(first.applied.length)} applied before (${took})`);
    return { applied, before: first.applied.length };
  } finally {
    await client.end();
  }
}

/** Reads the history while nobody migrates, and repairs what a killed deploy left behind. */
async function inspect(client: pg.Client, to: Target, project: string, wait: number): Promise<History> {
  await takeLock(client, wait);
  try {
    const history = compare(readMigrations(join(project, 'prisma/migrations')), await readRecords(client));
    refuse(history, to);
    for (const migration of history.interrupted) {
      await client.query('update public._prisma_migrations set rolled_back_at = now() where id = $1', [
        migration.id,
      ]);
      say(`  ${migration.name} was interrupted before; it is applied again`);
    }
    return history;
  } finally {
    await releaseLock(client);
  }
}

/** @throws CommandError for a history that no deploy can continue. */
function refuse({ failed, edited, unknown }: History, to: Target): void {
  const [failure] = failed;
  if (failure) throw failedMigration(failure, to);
  if (unknown.length > 0) {
    throw new CommandError(
      `${to.description} has migrations that this checkout does not have: ${names(unknown)}`,
      'git pull: a newer version has migrated this database',
    );
  }
  const [change] = edited;
  if (change) {
    const path = `packages/db/prisma/migrations/${change.name}/migration.sql`;
    throw new CommandError(
      `edited after it was applied to ${to.description}: ${names(edited)}`,
      `git restore ${path} (or the commit that has it), and write what is new with pnpm migration new <name>`,
    );
  }
}

const names = (records: MigrationRecord[]) => records.map(({ name }) => name).join(', ');

function failedMigration({ name, logs }: MigrationRecord, to: Target): CommandError {
  return new CommandError(
    `migration ${name} failed on ${to.description}: ${cause(logs ?? '')}`,
    `put right what that names, then pnpm --filter @mobvibe/db prisma migrate resolve --rolled-back ${name} and deploy again`,
  );
}

/** Runs Prisma and says which migration is done as soon as it is. */
async function apply(client: pg.Client, to: Target, project: string, wait: number): Promise<string[]> {
  const known = new Set((await readRecords(client)).map(({ id }) => id));
  const applied: string[] = [];
  const report = async () => {
    for (const record of await readRecords(client)) {
      if (known.has(record.id) || !record.finishedAt) continue;
      known.add(record.id);
      applied.push(record.name);
      say(`✓ ${record.name} ${duration(record.finishedAt.getTime() - record.startedAt.getTime())}`);
    }
  };

  // Loaded when there is something to do.
  const { prisma } = await import('./prisma.ts');
  const child = prisma(['migrate', 'deploy'], to, { cwd: project, all: true });
  let interrupt: NodeJS.Signals | undefined;
  const stop = (signal: NodeJS.Signals) => {
    interrupt = signal;
    // Prisma's engine ends with it, and takes the statement under way back.
    child.kill('SIGTERM');
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    let running = true;
    const ended = child.finally(() => {
      running = false;
    });
    while (running) {
      await Promise.race([ended, sleep(PROGRESS_MS)]);
      await report();
    }
    const result = await ended;
    if (process.env.MOBVIBE_DEBUG) process.stderr.write(`${result.all}\n`);
    if (interrupt) throw await interrupted(client, interrupt);
    if (!result.exitCode) return applied;
    // Somebody else took the lock in the moment between our look and Prisma's.
    if (/P1002/.test(String(result.all))) return [...applied, ...(await again(client, to, project, wait))];
    await inspect(client, to, project, wait);
    if (/P3005/.test(String(result.all))) throw await notEmpty(client, to);
    throw new CommandError(
      `prisma migrate deploy: ${firstError(String(result.all))}`,
      'MOBVIBE_DEBUG=1 shows everything that Prisma says',
    );
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

async function again(client: pg.Client, to: Target, project: string, wait: number): Promise<string[]> {
  const { pending } = await inspect(client, to, project, wait);
  return pending.length > 0 ? apply(client, to, project, wait) : [];
}

/** Returns when the server has stopped working for the deploy that was interrupted. */
async function interrupted(client: pg.Client, signal: NodeJS.Signals): Promise<CommandError> {
  await takeLock(client, AFTER_INTERRUPT_SECONDS);
  await releaseLock(client);
  return new CommandError('interrupted', 'deploy again: it continues with the migration that was under way', {
    exitCode: signal === 'SIGINT' ? 130 : 143,
  });
}

/** Tables without a history: Prisma cannot know which migrations made them. */
async function notEmpty(client: pg.Client, to: Target): Promise<CommandError> {
  const { rows } = await client.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_catalog.pg_tables
     where schemaname in ('public', 'private') order by name`,
  );
  const [first, ...more] = rows.map(({ name }) => name);
  return new CommandError(
    `${to.description} has tables, but no history of migrations: ${first}${more.length > 0 ? ` and ${more.length} more` : ''}`,
    'use a new Supabase project; or, where these migrations made them: pnpm --filter @mobvibe/db prisma migrate resolve --applied <migration>',
  );
}

function firstError(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const at = lines.findIndex((line) => line.startsWith('Error:'));
  const rest = lines.slice(Math.max(at, 0)).filter((line) => line && !/^Error:( P\d{4})?$/.test(line));
  return rest[0]?.replace(/^Error: /, '') ?? 'ended without saying why';
}
