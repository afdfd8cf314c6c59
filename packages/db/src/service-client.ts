import { PrismaPg } from '@prisma/adapter-pg';
import { asGenerated, withConfig } from './client-config.ts';
import { databaseUrl } from './connection.ts';
import { PrismaClient } from './generated/client.ts';
import { timeOrderedIds } from './time-ordered-ids.ts';

export interface ServiceClientOptions {
  /** By default DATABASE_URL. */
  url?: string;
  /** Connections of the pool, at most; by default pg's 10. */
  poolSize?: number;
}

/**
 * The Prisma client with the rights of the login in the URL, which on Supabase is usually `postgres`: it
 * BYPASSES row-level security. For migrations, jobs and sample data; never for a request of a user.
 * @throws Error when neither `url` nor DATABASE_URL is given.
 */
export function createServiceClient(options: ServiceClientOptions = {}) {
  const adapter = new PrismaPg({
    connectionString: databaseUrl(options.url),
    ...(options.poolSize && { max: options.poolSize }),
  });
  return new PrismaClient(withConfig({ adapter }, asGenerated)).$extends(timeOrderedIds);
}

export type ServiceClient = ReturnType<typeof createServiceClient>;
