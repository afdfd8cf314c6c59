import { readFileSync } from 'node:fs';
import { CommandError } from '@mobvibe/cli';
import type { ClientBase } from 'pg';
import { type Catalog, key, readCatalog } from './catalog.ts';
import { type Declaration, declarationsOf } from './declarations.ts';
import type { SqlFile } from './files.ts';
import { type Ledger, type LedgerFile, type LedgerObject, readLedger } from './ledger.ts';

const missingRequirements = readFileSync(
  new URL('./queries/missing_requirements.sql', import.meta.url),
  'utf8',
);

/** What stands between the database and the files. */
export interface Changes {
  ledger: Ledger;
  catalog: Catalog;
  /** Files whose requirements exist. */
  ready: SqlFile[];
  /** Files that wait for a table that a migration has yet to make. */
  waiting: SqlFile[];
  /** Files to run, and why. */
  toRun: { file: SqlFile; why: string }[];
  declared: Map<string, Declaration[]>;
  /** Files that were applied and are gone. */
  removed: LedgerFile[];
  /** Objects that no file declares any more. */
  obsolete: LedgerObject[];
  /** Objects that neither their file nor a new table explains. */
  changedByHand: LedgerObject[];
}

/**
 * Compares ledger, files and catalog; changes nothing.
 * @throws CommandError when a file to run does not parse, or declares what another one declares.
 */
export async function changesOf(client: ClientBase, files: SqlFile[]): Promise<Changes> {
  const { ready, waiting } = await partitionByRequirements(client, files);
  const ledger = await readLedger(client);
  const catalog = await readCatalog(client);
  const readyPaths = new Set(ready.map((file) => file.path));
  const toRun = ready.flatMap((file) => {
    const why = reasonToRun(file, ledger, catalog);
    return why ? [{ file, why }] : [];
  });
  const runPaths = new Set(toRun.map(({ file }) => file.path));
  const { owner, byFile } = await declare(toRun, ledger, readyPaths);
  return {
    ledger,
    catalog,
    ready,
    waiting,
    toRun,
    declared: byFile,
    removed: [...ledger.files.values()].filter((file) => !readyPaths.has(file.path)),
    obsolete: ledger.objects.filter(
      (object) => (runPaths.has(object.path) || !readyPaths.has(object.path)) && !owner.has(key(object)),
    ),
    changedByHand: changedByHand(ledger, catalog, files),
  };
}

/** Splits files into those whose required relations and columns exist and those that wait for a migration. */
export async function partitionByRequirements(
  client: ClientBase,
  files: SqlFile[],
): Promise<{ ready: SqlFile[]; waiting: SqlFile[] }> {
  const { rows } = await client.query<{ name: string }>(missingRequirements, [
    [...new Set(files.flatMap((file) => file.requires))],
  ]);
  const missing = new Set(rows.map((row) => row.name));
  const waits = (file: SqlFile) => file.requires.some((name) => missing.has(name));
  return { ready: files.filter((file) => !waits(file)), waiting: files.filter(waits) };
}

export interface Difference {
  problem: string;
  /** False when a table was made anew, or the object is gone: both are put right without asking. */
  byHand: boolean;
}

/** How an object differs from what was recorded of it; undefined when it does not. */
export function differenceOf(object: LedgerObject, catalog: Catalog): Difference | undefined {
  const now = catalog.get(object);
  if (!now) return { problem: `${key(object)} of ${object.path} is gone from the database`, byHand: false };
  if (now.definition === object.definition) return undefined;
  // A table that was made anew starts closed. Otherwise somebody changed the object, and may have had a reason.
  return now.relation === object.relation
    ? { problem: `${key(object)} was changed by hand: it is not what ${object.path} says`, byHand: true }
    : { problem: `${key(object)}: its table was made anew since ${object.path} was applied`, byHand: false };
}

function reasonToRun(file: SqlFile, ledger: Ledger, catalog: Catalog): string | undefined {
  const applied = ledger.files.get(file.path);
  if (!applied) return 'new: it was never applied';
  if (applied.checksum !== file.checksum) return 'the file changed since it was applied';
  const [first, ...others] = ledger.objects
    .filter((object) => object.path === file.path)
    .flatMap((object) => differenceOf(object, catalog)?.problem ?? []);
  return others.length > 0 ? `${first} (and ${others.length} more)` : first;
}

// A change of the file overrules the database.
function changedByHand(ledger: Ledger, catalog: Catalog, files: SqlFile[]): LedgerObject[] {
  const checksums = new Map(files.map((file) => [file.path, file.checksum]));
  return ledger.objects.filter(
    (object) =>
      checksums.get(object.path) === ledger.files.get(object.path)?.checksum &&
      differenceOf(object, catalog)?.byHand,
  );
}

async function declare(
  toRun: Changes['toRun'],
  ledger: Ledger,
  readyPaths: Set<string>,
): Promise<{ owner: Map<string, string>; byFile: Map<string, Declaration[]> }> {
  const runPaths = new Set(toRun.map(({ file }) => file.path));
  const owner = new Map(
    ledger.objects
      .filter((object) => readyPaths.has(object.path) && !runPaths.has(object.path))
      .map((object) => [key(object), object.path]),
  );
  const byFile = new Map<string, Declaration[]>();
  for (const { file } of toRun) {
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
