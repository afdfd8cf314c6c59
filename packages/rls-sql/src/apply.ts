import { CommandError, errorCode, oneLine } from '@mobvibe/cli';
import pRetry from 'p-retry';
import type { ClientBase } from 'pg';
import { readCatalog } from './catalog.ts';
import { type Changes, changesOf } from './changes.ts';
import { examineLayer } from './doctor.ts';
import { readSqlFiles, type SqlFile } from './files.ts';
import { createLedger, forgetObjects, recordFile } from './ledger.ts';
import { dropStatements, runDownSql } from './remove.ts';
import { assertVerified, REPAIR } from './verify.ts';

// Serialises everything that changes the SQL layer of a database.
const ADVISORY_LOCK = 7_270_737;
const LOCK_WAIT_SECONDS = 60;
// A policy change needs an exclusive lock; waiting long for it would hold up every query behind it.
const TABLE_LOCK_WAIT_SECONDS = 10;

export interface ApplyOptions {
  /** The files; by default those of this package. */
  files?: SqlFile[];
  /** Puts back what was changed by hand, with the SQL that doctor prints, instead of refusing. */
  repair?: boolean;
  /** Told once when another apply is in the way, with the seconds it will be waited for. */
  onWait?: (seconds: number) => void;
}

export interface ApplyResult {
  applied: string[];
  /** Files that wait for a table that a migration has yet to make. */
  waiting: string[];
  removed: string[];
  unchanged: number;
}

/**
 * Makes the database hold what the files say, in one transaction under an advisory lock, and verifies it before
 * the commit: either all of it is in force or nothing changed. Files that are unchanged, with their objects as
 * they were made, are not run again; what no file declares any more is dropped.
 * @throws CommandError when an object was changed by hand (unless `repair`), a file fails, or a rule is broken.
 */
export const applyLayer = (client: ClientBase, options: ApplyOptions = {}): Promise<ApplyResult> =>
  retryContested(() => applyOnce(client, options));

/**
 * Does `task` again, which begins and ends a transaction of its own, when another database's change of the same role
 * came in between: roles belong to the server, the layer's lock to one database.
 */
export const retryContested = <T>(task: () => Promise<T>): Promise<T> =>
  pRetry(task, {
    retries: 5,
    minTimeout: 50,
    randomize: true,
    shouldRetry: ({ error }) => isContested(error) || isContested(error.cause),
  });

const isContested = (error: unknown): boolean =>
  error instanceof Error &&
  /^tuple concurrently (updated|deleted)$|pg_authid_rolname_index/.test(error.message);

async function applyOnce(client: ClientBase, options: ApplyOptions): Promise<ApplyResult> {
  await client.query('begin');
  try {
    await lockLayer(client, options.onWait);
    const result = await applyInTransaction(client, options);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

/** The same, inside the caller's transaction, which must hold `lockLayer`. */
export async function applyInTransaction(
  client: ClientBase,
  options: ApplyOptions = {},
): Promise<ApplyResult> {
  await client.query(`set local lock_timeout = '${TABLE_LOCK_WAIT_SECONDS}s'`);
  const files = options.files ?? readSqlFiles();
  const changes = await changesOf(client, files);
  const { ready, waiting, removed, declared, obsolete } = changes;
  if (!ready.some((file) => file.requires.length > 0)) {
    return { applied: [], waiting: waiting.map((file) => file.path), removed: [], unchanged: 0 };
  }
  if (options.repair) await repairHandChanges(client, files);
  else refuseHandChanges(changes);
  const toRun = changes.toRun.map(({ file }) => file);

  if (toRun.length > 0 || removed.length > 0) {
    await createLedger(client);
    for (const { sql } of await dropStatements(client, obsolete, changes.catalog)) await client.query(sql);
    for (const file of removed) await runDownSql(client, file);
    await client.query('delete from rls_sql.files where path = any ($1)', [removed.map((file) => file.path)]);
    for (const file of toRun) await runFile(client, file);
    const after = await readCatalog(client);
    // All before any: an object may have moved from one file to another.
    await forgetObjects(client, toRun);
    for (const file of toRun) await recordFile(client, file, declared.get(file.path) ?? [], after);
  }
  for (const file of ready.filter((file) => file.eachApply && !toRun.includes(file)))
    await runFile(client, file);
  await assertVerified(client, files);
  return {
    applied: toRun.map((file) => file.path),
    waiting: waiting.map((file) => file.path),
    removed: removed.map((file) => file.path),
    unchanged: ready.length - toRun.length,
  };
}

/**
 * Takes the lock that serialises applies, until the end of the transaction.
 * @throws CommandError when another apply holds it for more than a minute.
 */
export async function lockLayer(client: ClientBase, onWait?: (seconds: number) => void): Promise<void> {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_xact_lock($1) as locked', [
    ADVISORY_LOCK,
  ]);
  if (rows[0]?.locked) return;
  onWait?.(LOCK_WAIT_SECONDS);
  await client.query(`set local lock_timeout = '${LOCK_WAIT_SECONDS}s'`);
  try {
    await client.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
  } catch (error) {
    if (errorCode(error) !== '55P03') throw error;
    throw new CommandError(
      `another apply has held the SQL layer for more than ${LOCK_WAIT_SECONDS} s`,
      'let it end, or end it, and run this again',
    );
  }
}

/** @throws CommandError when an object is neither as its file made it nor changed by its file. */
function refuseHandChanges({ changedByHand: [first, ...others] }: Changes): void {
  if (!first) return;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  throw new CommandError(
    `${first.kind} ${first.identity} was changed by hand${more}: it is not what ${first.path} says`,
    REPAIR,
  );
}

/**
 * Runs what doctor prints where nobody has to decide anything. To run the files again is not enough: they say nothing
 * of a role that they do not name, of row-level security that a migration switched on, of a partition. What no file
 * declares is not dropped.
 */
async function repairHandChanges(client: ClientBase, files: SqlFile[]): Promise<void> {
  const found = await examineLayer(client, files);
  for (const statement of found.filter(({ advice }) => !advice).flatMap(({ sql }) => sql)) {
    await client.query(statement);
  }
}

async function runFile(client: ClientBase, file: SqlFile): Promise<void> {
  try {
    await client.query(file.sql);
  } catch (error) {
    if (errorCode(error) === '55P03') {
      throw new CommandError(
        `${file.path} waited ${TABLE_LOCK_WAIT_SECONDS} s for a table that another transaction holds`,
        'run it again; pg_stat_activity shows who holds the table',
        { cause: error },
      );
    }
    throw new CommandError(
      `${file.path}: ${oneLine(error)} (${errorCode(error)})`,
      'correct the file and run this again',
      {
        cause: error,
      },
    );
  }
}
