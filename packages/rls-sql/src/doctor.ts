import type { ClientBase } from 'pg';
import { type Catalog, isOwn, key, readCatalog } from './catalog.ts';
import { differenceOf, partitionByRequirements } from './changes.ts';
import { unifiedDiff } from './diff.ts';
import { readSqlFiles } from './files.ts';
import { readLedger } from './ledger.ts';
import { dropStatements } from './remove.ts';
import { type RepairableFile, repairableFiles, repairOf } from './repair.ts';
import { brokenRules } from './rules.ts';
import { sqlComment } from './sql-text.ts';
import { MIGRATE } from './verify.ts';

/** One thing that is not as the files say. */
export interface Drift {
  object: string;
  problem: string;
  /** What was recorded (-) against what is there now (+). */
  diff: string[];
  /** The statements that put it right; empty where SQL alone cannot. */
  sql: string[];
  /** What to do where SQL alone cannot, or before it is run. */
  advice: string | undefined;
}

/**
 * Compares the catalog with what the files made, and works out the SQL that puts each difference right. The order
 * of the statements is one in which they run. Changes nothing.
 */
export async function examineLayer(client: ClientBase, files = readSqlFiles()): Promise<Drift[]> {
  const ledger = await readLedger(client);
  const catalog = await readCatalog(client);
  const { ready } = await partitionByRequirements(client, files);
  const isInForce = (path: string, checksum: string) => ledger.files.get(path)?.checksum === checksum;
  const current = ready.filter((file) => isInForce(file.path, file.checksum));

  return [
    ...pending(
      ready.filter((file) => !current.includes(file)).map((file) => file.path),
      [...ledger.files.keys()].filter((path) => !ready.some((file) => file.path === path)),
    ),
    // The rules come first: what they repair may be dropped by what follows.
    ...(await breaches(client, ledger.objects.map(key))),
    ...(await changed(client, await repairableFiles(current), ledger.objects, catalog)),
    ...(await strays(client, new Set(ledger.objects.map(key)), catalog)),
  ];
}

/** The SQL of what was found, in one transaction. */
export function repairSql(found: Drift[]): string {
  const parts = found.map(({ problem, sql, advice }) =>
    [
      sqlComment(problem),
      ...(advice ? [sqlComment(advice)] : []),
      ...sql.map((statement) => `${statement.replace(/;$/, '')};`),
    ].join('\n'),
  );
  return parts.length > 0 ? `begin;\n\n${parts.join('\n\n')}\n\ncommit;\n` : '';
}

function pending(toApply: string[], gone: string[]): Drift[] {
  const drift = (path: string, problem: string): Drift => ({
    object: path,
    problem: `${path} ${problem}`,
    diff: [],
    sql: [],
    advice: MIGRATE,
  });
  return [
    ...toApply.map((path) => drift(path, 'is not in force as it stands')),
    ...gone.map((path) => drift(path, 'is in force, but the file is gone')),
  ];
}

async function breaches(client: ClientBase, declared: string[]): Promise<Drift[]> {
  return (await brokenRules(client, declared)).map(({ rule, object, problem, fix }) => {
    const isSql = fix.endsWith(';');
    return {
      object,
      problem: `${problem} [${rule}]`,
      diff: [],
      sql: isSql ? [fix] : [],
      advice: isSql ? undefined : fix,
    };
  });
}

async function changed(
  client: ClientBase,
  files: RepairableFile[],
  objects: Awaited<ReturnType<typeof readLedger>>['objects'],
  catalog: Catalog,
): Promise<Drift[]> {
  const found: Drift[] = [];
  for (const file of files) {
    for (const object of objects.filter((candidate) => candidate.path === file.path)) {
      const difference = differenceOf(object, catalog);
      if (!difference) continue;
      const now = catalog.get(object)?.definition;
      found.push({
        object: key(object),
        problem: difference.problem,
        diff: now === undefined ? [] : unifiedDiff(object.definition, now),
        sql: await repairOf(client, object, now, file),
        advice: undefined,
      });
    }
  }
  return found;
}

async function strays(client: ClientBase, declared: Set<string>, catalog: Catalog): Promise<Drift[]> {
  const objects = catalog
    .ofKind('function', 'policy', 'trigger')
    .filter((object) => isOwn(object) && !declared.has(key(object)));
  const drops = await dropStatements(client, objects, catalog);
  return drops.map(({ object, sql }) => ({
    object: key(object),
    problem: `${key(object)} is declared by no file`,
    diff: [],
    sql: [sql],
    advice: 'WARNING: this drops it; to keep it, write it into a file of packages/rls-sql/sql instead',
  }));
}
