import { CommandError } from '@mobvibe/cli';
import type { ClientBase } from 'pg';
import { partitionByRequirements } from './apply.ts';
import { exposedSchemas, isOwn, key, readCatalog, schemaOf } from './catalog.ts';
import type { Kind } from './declarations.ts';
import { readSqlFiles, type SqlFile } from './files.ts';
import { readLedger } from './ledger.ts';

/** Something in the database that is not as the files say; one line what is wrong, one line what to do. */
export interface Finding {
  object: string;
  problem: string;
  fix: string;
}

const REPAIR =
  'pnpm rls apply --repair puts the file back in force; to keep the change, write it into the file';
const MIGRATE = 'pnpm turbo migrate';

const folderOf: Record<Kind, string> = {
  role: '10_roles',
  function: '30_functions',
  grants: '40_tables',
  policy: '40_tables',
  trigger: '40_tables',
};

/**
 * Compares the database with the files: every file in force, every object as its file made it, nothing in our
 * schemas that no file declares, every table under row-level security. Changes nothing.
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
    const name = key(object);
    const now = catalog.get(object);
    if (!now) find(name, `${name} of ${object.path} is gone from the database`, MIGRATE);
    else if (now.definition !== object.definition && now.relation !== object.relation) {
      find(name, `${name}: its table was made anew since ${object.path} was applied`, MIGRATE);
    } else if (now.definition !== object.definition) {
      find(name, `${name} was changed by hand: it is not what ${object.path} says`, REPAIR);
    }
  }

  for (const object of catalog.ofKind('function', 'policy', 'trigger').filter(isOwn)) {
    if (declared.has(key(object))) continue;
    const file = `packages/rls-sql/sql/${folderOf[object.kind]}`;
    find(key(object), `${key(object)} is declared by no file`, `write it into a file of ${file}, or drop it`);
  }

  for (const object of catalog.ofKind('grants').filter(isOwn)) {
    const isPartition = schemaOf(object) === 'partitions';
    if (object.definition.includes('row level security off')) {
      find(
        key(object),
        `row-level security is off on ${object.identity}`,
        `alter table ${object.identity} enable row level security`,
      );
    }
    if (isPartition && object.definition.includes(' to ')) {
      find(
        key(object),
        `${object.identity} is granted to somebody, past the policies of its parent`,
        `revoke all on table ${object.identity} from public, anon, authenticated, service_role`,
      );
    }
    if (!isPartition && !declared.has(key(object))) {
      const exposed = exposedSchemas.includes(schemaOf(object)) ? 'exposed ' : '';
      find(
        key(object),
        `the ${exposed}table ${object.identity} has no policies and grants in the SQL layer`,
        `write packages/rls-sql/sql/40_tables/${object.identity}.sql (its neighbours show how), or drop the table`,
      );
    }
  }
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
