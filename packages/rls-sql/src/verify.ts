import { CommandError } from '@mobvibe/cli';
import type { ClientBase } from 'pg';
import { isOwn, key, readCatalog } from './catalog.ts';
import { differenceOf, partitionByRequirements } from './changes.ts';
import type { Kind } from './declarations.ts';
import { readSqlFiles, type SqlFile } from './files.ts';
import { readLedger } from './ledger.ts';
import { brokenRules } from './rules.ts';

/** Something in the database that is not as the files say; one line what is wrong, one line what to do. */
export interface Finding {
  /** The rule of the house that is broken: its file in rules/, without `.sql`. */
  rule?: string;
  object: string;
  problem: string;
  fix: string;
}

/** What to do about a change made by hand. */
export const REPAIR =
  'pnpm rls apply --repair puts the file back in force, pnpm rls doctor shows the difference and prints the SQL; to keep the change, write it into the file';
/** What to do about files that are not in force. */
export const MIGRATE = 'pnpm turbo migrate';

const folderOf: Record<Kind, string> = {
  role: '10_roles',
  function: '30_functions',
  grants: '40_tables',
  policy: '40_tables',
  trigger: '40_tables',
};

/**
 * Compares the database with the files: every file in force, every object as its file made it, nothing in our
 * schemas that no file declares, no rule of the house broken. Changes nothing.
 */
export async function verifyLayer(client: ClientBase, files = readSqlFiles()): Promise<Finding[]> {
  const ledger = await readLedger(client);
  const catalog = await readCatalog(client);
  const { ready } = await partitionByRequirements(client, files);
  const findings: Finding[] = [];
  const find = (object: string, problem: string, fix: string) => findings.push({ object, problem, fix });

  if (!ready.some((file) => file.requires.length > 0)) {
    find('database', 'the database holds no table that the SQL layer is for', MIGRATE);
    return findings;
  }

  for (const file of ready) {
    const checksum = ledger.files.get(file.path)?.checksum;
    if (!checksum) find(file.path, `${file.path} is not in force`, MIGRATE);
    else if (checksum !== file.checksum)
      find(file.path, `${file.path} changed since it was applied`, MIGRATE);
  }
  const readyPaths = new Set(ready.map((file) => file.path));
  for (const { path } of ledger.files.values()) {
    if (!readyPaths.has(path)) find(path, `${path} is in force, but the file is gone`, MIGRATE);
  }

  const declared = new Set(ledger.objects.map(key));
  for (const object of ledger.objects) {
    const difference = differenceOf(object, catalog);
    if (difference) find(key(object), difference.problem, difference.byHand ? REPAIR : MIGRATE);
  }

  for (const object of catalog.ofKind('function', 'policy', 'trigger').filter(isOwn)) {
    if (declared.has(key(object))) continue;
    const file = `packages/rls-sql/sql/${folderOf[object.kind]}`;
    find(key(object), `${key(object)} is declared by no file`, `write it into a file of ${file}, or drop it`);
  }

  findings.push(...(await brokenRules(client, [...declared])));
  return findings;
}

/** @throws CommandError naming the first finding, and how many there are. */
export async function assertVerified(client: ClientBase, files?: SqlFile[]): Promise<void> {
  const findings = await verifyLayer(client, files);
  const [first] = findings;
  if (!first) return;
  const others =
    findings.length > 1 ? ` (and ${findings.length - 1} more: pnpm turbo verify lists them)` : '';
  throw new CommandError(`${first.problem}${others}`, first.fix);
}
