import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe as describeUrl } from '@mobvibe/cli';
import type pg from 'pg';
import { onTestFinished, vi } from 'vitest';
import { prisma } from '../src/commands/prisma.ts';
import { projectFolder } from '../src/commands/project.ts';

export const engine = join(projectFolder, 'engine/schema-engine.mjs');

/** A Prisma project of its own in a temporary folder, with this package's engine. */
export interface ScratchProject {
  folder: string;
  writeSchema(models: string): void;
  writeMigration(name: string, sql: string): void;
  remove(): void;
}

export function scratchProject(
  options: { models?: string; migrations?: Record<string, string> } = {},
): ScratchProject {
  const folder = mkdtempSync(join(tmpdir(), 'mobvibe-prisma-'));
  const put = (path: string, content: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const project: ScratchProject = {
    folder,
    writeSchema: (models) =>
      put('prisma/schema/schema.prisma', `datasource db {\n  provider = "postgresql"\n}\n\n${models}\n`),
    writeMigration: (name, sql) => put(`prisma/migrations/${name}/migration.sql`, sql),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  // Not TypeScript, which each start of the CLI would compile.
  put(
    'prisma.config.mjs',
    `process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= ${JSON.stringify(engine)};
export default {
  schema: 'prisma/schema',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL },
  experimental: { externalTables: true },
  tables: { external: ['auth.users'] },
};
`,
  );
  put('prisma/migrations/migration_lock.toml', 'provider = "postgresql"\n');
  project.writeSchema(options.models ?? '');
  for (const [name, sql] of Object.entries(options.migrations ?? {})) project.writeMigration(name, sql);
  return project;
}

/** The stock CLI in a project: exit code and everything it printed. */
export async function runPrisma(
  project: Pick<ScratchProject, 'folder'>,
  url: string,
  args: string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Promise<{ exitCode: number; output: string }> {
  const { input, env } = options;
  const { exitCode, all } = await prisma(args, describeUrl(url), {
    cwd: project.folder,
    all: true,
    ...(env && { env }),
    ...(input === undefined ? {} : { stdin: 'pipe' as const, input }),
  });
  return { exitCode: exitCode ?? -1, output: String(all) };
}

/** What `say` prints until the test ends. */
export function heard(): { text: () => string } {
  const lines: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  return { text: () => lines.join('') };
}

/** Waits until a query returns a row. */
export async function untilRow(client: pg.Client, query: string, seconds = 20): Promise<void> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const { rows } = await client.query(query);
    if (rows.length > 0) return;
    if (Date.now() > until) throw new Error(`never came true: ${query}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
