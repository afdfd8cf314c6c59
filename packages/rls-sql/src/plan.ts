import type { ClientBase } from 'pg';
import { key } from './catalog.ts';
import { changesOf } from './changes.ts';
import { readSqlFiles } from './files.ts';
import { dropStatements } from './remove.ts';
import { sqlComment } from './sql-text.ts';
import { REPAIR } from './verify.ts';

/** One thing that `apply` would do, in the order in which it would. */
export interface PlanStep {
  action: 'drop' | 'take back' | 'run';
  /** The file that is run or gone, or whose object is dropped. */
  path: string;
  why: string;
  sql: string;
}

export interface Plan {
  steps: PlanStep[];
  /** Files that wait for a table that a migration has yet to make. */
  waiting: string[];
  /** What was changed by hand: `apply` refuses while it stands, `apply --repair` does the steps. */
  refused: { object: string; path: string; fix: string }[];
}

/** What `apply` would change, worked out from ledger, files and catalog. Changes nothing, and locks no more than reading does. */
export async function planLayer(client: ClientBase, files = readSqlFiles()): Promise<Plan> {
  const { ready, waiting, catalog, toRun, removed, obsolete, changedByHand } = await changesOf(client, files);
  const plan: Plan = {
    steps: [],
    waiting: waiting.map((file) => file.path),
    refused: changedByHand.map((object) => ({ object: key(object), path: object.path, fix: REPAIR })),
  };
  // Nothing that the layer is for: apply does nothing either.
  if (!ready.some((file) => file.requires.length > 0)) return plan;

  const gone = new Set(removed.map((file) => file.path));
  for (const { object, sql } of await dropStatements(client, obsolete, catalog)) {
    const why = gone.has(object.path)
      ? `the file is gone, and with it ${key(object)}`
      : `the file no longer declares ${key(object)}`;
    plan.steps.push({ action: 'drop', path: object.path, why, sql: `${sql};` });
  }
  for (const { path, down_sql: sql } of removed) {
    plan.steps.push({ action: 'take back', path, why: 'the file is gone', sql: sql?.trim() ?? '' });
  }
  for (const { file, why } of toRun) {
    plan.steps.push({ action: 'run', path: file.path, why, sql: file.sql.trim() });
  }
  return plan;
}

/** The plan as SQL: each step under a comment that says what it is and why. */
export const planSql = ({ steps }: Plan): string =>
  steps
    .map(({ action, path, why, sql }) => `${sqlComment(`${action} ${path}: ${why}`)}\n${sql}\n`)
    .join('\n');
