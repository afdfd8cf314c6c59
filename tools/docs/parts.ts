import { join } from 'node:path';
import { repositoryRoot } from '@mobvibe/cli';
import { migrationsDirectory } from '@mobvibe/db/migrations';
import { accessOf, readSqlFiles } from '@mobvibe/rls-sql';
import { attackMatrix } from './attack-matrix.ts';
import { checkTable } from './checks.ts';
import { readDataModel } from './data-model.ts';
import type { Parts } from './document.ts';
import { erDiagram } from './er-diagram.ts';
import { measuredTables } from './measured.ts';
import { readMigrations, schemaOf, withMigrated } from './migrations.ts';
import { shardKeyTable } from './shard-key.ts';
import { accessTable, functionTable, indexTable, migrationTable, policyTable, tableTable } from './tables.ts';

/**
 * Everything in the documents that is generated, by the document's path: from the Prisma schema, the migrations, the SQL
 * layer, the worker's checks and the results of benchmarks; no database is needed.
 */
export async function generateParts(): Promise<Record<string, Parts>> {
  const migrations = readMigrations(migrationsDirectory);
  const schema = await schemaOf(migrations);
  const tables = withMigrated(readDataModel(join(migrationsDirectory, '..', 'schema')), schema);
  const access = await accessOf(readSqlFiles());

  // In the order in which the migrations make them; what they do not make comes last.
  const made = [...schema.tableComments.keys()];
  const rank = (name: string) => (made.includes(name) ? made.indexOf(name) : made.length);
  const inOrder = <T>(list: T[], nameOf: (item: T) => string) =>
    list.toSorted((one, other) => rank(nameOf(one)) - rank(nameOf(other)));

  const ordered = inOrder(tables, ({ name }) => name);
  return {
    'DATABASE.md': {
      tables: tableTable(ordered, schema),
      'er-diagram': erDiagram(ordered),
      access: accessTable(inOrder(access.tables, ({ table }) => table)),
      policies: policyTable(inOrder(access.policies, ({ table }) => table)),
      attacks: attackMatrix(),
      functions: functionTable(access.functions),
      indexes: indexTable(ordered, schema),
      migrations: migrationTable(migrations),
    },
    'docs/OPERATING.md': { checks: checkTable() },
    'docs/SCALING.md': {
      'shard-key': shardKeyTable(ordered),
      measured: measuredTables(join(repositoryRoot, 'bench', 'results')),
    },
  };
}
