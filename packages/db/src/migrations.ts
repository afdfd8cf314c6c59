import { fileURLToPath } from 'node:url';

/** The folder with the numbered migrations, each with its migration.sql and down.sql. */
export const migrationsDirectory = fileURLToPath(new URL('../prisma/migrations', import.meta.url));
