import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  CommandError,
  connect,
  errorCode,
  oneLine,
  repositoryRoot,
  say,
  step,
  type Target,
} from '@mobvibe/cli';
import { deploy, prisma, projectFolder, readMigrations } from '@mobvibe/db/commands';
import { applyLayer } from '@mobvibe/rls-sql';
import type pg from 'pg';
import { transform } from './transform.ts';

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const EMPTY = '-- This is an empty migration.';

export interface AuthorOptions {
  /** What the migration is about, in snake_case: `project_tags`. */
  name: string;
  to: Target;
  /** Only makes the SQL. */
  dryRun?: boolean;
  /** A folder with a prisma.config.ts, prisma/schema and prisma/migrations. */
  project?: string;
  /** Applies the SQL layer on a connection. */
  applyLayer?: (client: pg.Client) => Promise<unknown>;
}

export interface Authored {
  /** `008_project_tags`. */
  name: string;
  migration: string;
  down: string;
}

/**
 * Writes the next numbered migration from what changed in the Prisma schema, with the one that takes it back, then
 * applies it and the SQL layer. Nothing changed: returns undefined.
 * @throws CommandError; from the moment the files exist they stay, and the error says how to go on.
 */
export async function author(options: AuthorOptions): Promise<Authored | undefined> {
  const { name, to, project = projectFolder } = options;
  if (!NAME.test(name)) {
    throw new CommandError(`a migration cannot be named ${name}`, 'use snake_case, as in add_project_tags');
  }
  const folder = join(project, 'prisma/migrations');
  const client = await connect(to);
  try {
    const written = await step('compare the schema with the migrations', () =>
      write(options, client, project),
    );
    if (!written) return undefined;
    const authored = { name: `${nextNumber(folder)}_${name}`, ...written };
    const files = withHeaders(authored);
    if (options.dryRun) return files;

    const directory = join(folder, authored.name);
    mkdirSync(directory);
    writeFileSync(join(directory, 'migration.sql'), files.migration);
    writeFileSync(join(directory, 'down.sql'), files.down);
    say(`✓ wrote ${relative(repositoryRoot, directory)}`);
    for (const line of authored.summary) say(`    ${line}`);

    await deployNew(authored.name, client, options, project);
    await step('apply the SQL layer', async () => {
      await (options.applyLayer ?? applyLayer)(client);
    });
    return files;
  } finally {
    await client.end();
  }
}

interface Written {
  migration: string;
  down: string;
  summary: string[];
}

/** The SQL of both directions, without headers; undefined when the schema did not change. */
async function write(
  { to }: AuthorOptions,
  client: pg.Client,
  project: string,
): Promise<Written | undefined> {
  const migrations = ['migrations', 'prisma/migrations'] as const;
  const schema = ['schema', 'prisma/schema'] as const;
  const [up, down] = await Promise.all([diff(migrations, schema), diff(schema, migrations)]);
  if (up.trim() === EMPTY) return undefined;

  const quoted = await quoteNames(client, `${up}\n${down}`);
  const quote = (name: string) => quoted.get(name) ?? name;
  const forward = transform(up, { quote, reverse: down });
  const back = transform(down, { quote, reverse: up, cascade: true });
  for (const statement of [...forward.unknown, ...back.unknown]) {
    say(`warning: check by hand whether this may run twice: ${statement}`);
  }
  return { migration: forward.sql, down: back.sql, summary: forward.summary };

  async function diff(from: readonly [string, string], to_: readonly [string, string]): Promise<string> {
    const flags = [`--from-${from[0]}`, from[1], `--to-${to_[0]}`, to_[1]];
    const { exitCode, stdout, stderr } = await prisma(['migrate', 'diff', ...flags, '--script'], to, {
      cwd: project,
    });
    if (exitCode === 0) return String(stdout);
    throw schemaError(String(stderr));
  }
}

/** What Prisma says about a schema it cannot read, or a history it cannot replay. */
function schemaError(output: string): CommandError {
  const lines = output.split('\n').map((line) => line.trim());
  const at = lines.findLastIndex((line) => /^error: /i.test(line) && !/^Error: P\d{4}$/.test(line));
  const problem = lines[at]?.replace(/^error: /i, '') ?? lines.find(Boolean) ?? 'prisma migrate diff failed';
  const place = lines.find((line) => /^-->/.test(line))?.replace(/^-->\s*/, '');
  return new CommandError(
    place ? `${problem} (${place})` : problem,
    place ? 'correct the schema' : 'pnpm --filter @mobvibe/db prisma migrate diff shows it in full',
  );
}

async function quoteNames(client: pg.Client, script: string): Promise<Map<string, string>> {
  const names = [...script.matchAll(/"((?:[^"]|"")*)"/g)].map(([, name = '']) => name.replaceAll('""', '"'));
  const { rows } = await client.query<{ name: string; quoted: string }>(
    'select name, quote_ident(name) as quoted from unnest($1::text[]) as name',
    [[...new Set(names)]],
  );
  return new Map(rows.map(({ name, quoted }) => [name, quoted]));
}

function nextNumber(folder: string): string {
  const numbers = readMigrations(folder).map(({ name }) => Number.parseInt(name, 10) || 0);
  return String(Math.max(0, ...numbers) + 1).padStart(3, '0');
}

function withHeaders({ name, migration, down, summary }: Written & { name: string }): Authored {
  return {
    name,
    migration: [
      `-- ${name}:`,
      ...summary.map((line) => `--   ${line}`),
      '-- Written by `pnpm migration new` from prisma/schema. Before you commit it, check: rows that exist already (a new',
      '-- column that must not be null, a new constraint), a rename that reads as drop and add, and what Prisma cannot',
      '-- know (CHECK constraints, comments). Running this file again changes nothing.',
      '',
      migration,
    ].join('\n'),
    down: [
      `-- Takes back ${name}. \`cascade\` is for what the SQL layer built on a table; \`pnpm rollback\` refuses when`,
      '-- anything else would go with it.',
      '',
      down,
    ].join('\n'),
  };
}

async function deployNew(
  name: string,
  client: pg.Client,
  { to }: AuthorOptions,
  project: string,
): Promise<void> {
  try {
    await deploy(to, { project });
  } catch (error) {
    // A migration runs in one transaction, so nothing of it is there; the next deploy takes it up again.
    const { rowCount } = await client
      .query(
        `update public._prisma_migrations set rolled_back_at = now()
       where migration_name = $1 and finished_at is null and rolled_back_at is null`,
        [name],
      )
      .catch((reason) => {
        if (errorCode(reason) === '42P01') return { rowCount: 0 };
        throw reason;
      });
    if (!rowCount) throw error;
    throw new CommandError(
      oneLine(error),
      `edit packages/db/prisma/migrations/${name}/migration.sql, then pnpm turbo migrate`,
      { cause: error },
    );
  }
}
