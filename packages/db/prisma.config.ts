import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadEnvironment } from '@mobvibe/cli';
import { defineConfig } from 'prisma/config';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

// Read before Prisma looks for its engine, so that it finds ours and downloads nothing.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ||= path('engine/schema-engine.mjs');
// No call home for updates: the same offline as online.
process.env.CHECKPOINT_DISABLE ||= '1';

const { DIRECT_URL, DATABASE_URL } = loadEnvironment();

export default defineConfig({
  schema: path('prisma/schema'),
  migrations: {
    path: path('prisma/migrations'),
    initShadowDb: readFileSync(path('prisma/shadow.sql'), 'utf8'),
  },
  datasource: {
    // `prisma generate` needs none; whatever needs one then says that nothing listens there.
    url: DIRECT_URL ?? DATABASE_URL ?? 'postgresql://postgres:postgres@127.0.0.1:54322/postgres',
  },
  experimental: { externalTables: true },
  tables: { external: ['auth.users'] },
});
