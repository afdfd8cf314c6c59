import { CommandError, errorCode, oneLine } from '@mobvibe/cli';
import type { ClientBase } from 'pg';
import { type Catalog, key, readCatalog } from './catalog.ts';
import { type Declaration, declarationsOf } from './declarations.ts';
import { readSqlFiles, type SqlFile } from './files.ts';
import { createLedger, forgetObjects, type Ledger, readLedger, recordFile } from './ledger.ts';
import { dropObjects, runDownSql } from './remove.ts';
import { assertVerified } from './verify.ts';

// Serialises everything that changes the SQL layer of a database.
const ADVISORY_LOCK = 7_270_737;
const LOCK_WAIT_SECONDS = 60;
// A policy change needs an exclusive lock; waiting long for it would hold up every query behind it.
const TABLE_LOCK_WAIT_SECONDS = 10;

export interface ApplyOptions {
  /** The files; by default those of this package. */
  files?: SqlFile[];
  /** Puts back what was changed by hand, instead of refusing. */
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
export async function applyLayer(client: ClientBase, options: ApplyOptions = {}): Promise<ApplyResult> {
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
  const { ready, waiting } = await partitionByRequirements(client, files);
  if (!ready.some((file) => file.requires.length > 0)) {
    return { applied: [], waiting: waiting.map((file) => file.path), removed: [], unchanged: 0 };
  }
  const ledger = await readLedger(client);
  const catalog = await readCatalog(client);
  if (!options.repair) refuseHandChanges(ledger, catalog, files);

  const toRun = ready.filter((file) => needsRun(file, ledger, catalog));
  const readyPaths = new Set(ready.map((file) => file.path));
  const removed = [...ledger.files.values()].filter((file) => !readyPaths.has(file.path));
  const changes = toRun.length > 0 || removed.length > 0;

  if (changes) {
    await createLedger(client);
    const declared = await declare(toRun, ledger, readyPaths);
    const runPaths = new Set(toRun.map((file) => file.path));
    const obsolete = ledger.objects.filter(
      (object) =>
        (runPaths.has(object.path) || !readyPaths.has(object.path)) && !declared.owner.has(key(object)),
    );
    await dropObjects(client, obsolete, catalog);
    for (const file of removed) await runDownSql(client, file);
    await client.query('delete from rls_sql.files where path = any ($1)', [removed.map((file) => file.path)]);
    for (const file of toRun) await runFile(client, file);
    const after = await readCatalog(client);
    // All before any: an object may have moved from one file to another.
    await forgetObjects(client, toRun);
    for (const file of toRun) await recordFile(client, file, declared.byFile.get(file.path) ?? [], after);
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

/** Splits files into those whose required relations exist and those that wait for a migration. */
export async function partitionByRequirements(
  client: ClientBase,
  files: SqlFile[],
): Promise<{ ready: SqlFile[]; waiting: SqlFile[] }> {
  const { rows } = await client.query<{ name: string }>(
    'select name from unnest($1::text[]) as name where to_regclass(name) is null',
    [[...new Set(files.flatMap((file) => file.requires))]],
  );
  const missing = new Set(rows.map((row) => row.name));
  const waits = (file: SqlFile) => file.requires.some((name) => missing.has(name));
  return { ready: files.filter((file) => !waits(file)), waiting: files.filter(waits) };
}

function needsRun(file: SqlFile, ledger: Ledger, catalog: Catalog): boolean {
  if (ledger.files.get(file.path)?.checksum !== file.checksum) return true;
  return ledger.objects.some(
    (object) => object.path === file.path && catalog.get(object)?.definition !== object.definition,
  );
}

// A change of the file overrules the database; so does a table that was made anew, which starts closed. What is
// left differs though neither happened: somebody changed it by hand, and may have had a reason.
function refuseHandChanges(ledger: Ledger, catalog: Catalog, files: SqlFile[]): void {
  const checksums = new Map(files.map((file) => [file.path, file.checksum]));
  const changed = ledger.objects.filter((object) => {
    if (checksums.get(object.path) !== ledger.files.get(object.path)?.checksum) return false;
    const now = catalog.get(object);
    return now && now.definition !== object.definition && now.relation === object.relation;
  });
  const [first] = changed;
  if (!first) return;
  const others = changed.length > 1 ? ` (and ${changed.length - 1} more)` : '';
  throw new CommandError(
    `${first.kind} ${first.identity} was changed by hand${others}: it is not what ${first.path} says`,
    'pnpm rls apply --repair puts the file back in force; to keep the change, write it into the file',
  );
}

async function declare(
  toRun: SqlFile[],
  ledger: Ledger,
  readyPaths: Set<string>,
): Promise<{ owner: Map<string, string>; byFile: Map<string, Declaration[]> }> {
  const runPaths = new Set(toRun.map((file) => file.path));
  const owner = new Map(
    ledger.objects
      .filter((object) => readyPaths.has(object.path) && !runPaths.has(object.path))
      .map((object) => [key(object), object.path]),
  );
  const byFile = new Map<string, Declaration[]>();
  for (const file of toRun) {
    const declarations = await declarationsOf(file);
    byFile.set(file.path, declarations);
    for (const declaration of declarations) {
      const other = owner.get(key(declaration));
      if (other) {
        throw new CommandError(
          `${key(declaration)} is declared by both ${other} and ${file.path}`,
          'keep it in one of them',
        );
      }
      owner.set(key(declaration), file.path);
    }
  }
  return { owner, byFile };
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
