import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'dotenv';
import { z } from 'zod';
import { CommandError } from './error.ts';

/** The root of this checkout: the folder of pnpm-workspace.yaml. */
export const repositoryRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Where `pnpm local start` leaves the variables of the running local stack (dotenv format). */
export const localEnvironmentFile = join(repositoryRoot, '.local', 'env');

const url = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text), 'must be a postgresql:// URL');

const schema = z.object({
  DATABASE_URL: url.optional(),
  DIRECT_URL: url.optional(),
  SUPABASE_URL: z.url().optional(),
  SUPABASE_PUBLISHABLE_KEY: z.string().optional(),
  SUPABASE_SECRET_KEY: z.string().optional(),
  ANTHROPIC_API_KEY: z.string().optional(),
  ANTHROPIC_BASE_URL: z.url().optional(),
  FLY_API_TOKEN: z.string().optional(),
  FLY_APP_NAME: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'must be the name of a Fly app')
    .optional(),
  FLY_API_HOSTNAME: z.url({ protocol: /^https?$/ }).optional(),
  FLY_SANDBOX_IMAGE: z.string().optional(),
  FLY_SANDBOX_REGION: z.string().optional(),
  FLY_PREVIEW_URL: z
    .string()
    .refine((text) => URL.canParse(text.replaceAll('{machine}', 'id')), 'must be a URL with {machine} in it')
    .refine((text) => text.includes('{machine}'), 'must be a URL with {machine} in it')
    .optional(),
  MOBVIBE_APP_PASSWORD: z.string().min(8).optional(),
  MOBVIBE_WORKER_PASSWORD: z.string().min(8).optional(),
});

/** What Supabase called a key before, and calls it now: either name will do. */
const OLDER_NAMES = {
  SUPABASE_ANON_KEY: 'SUPABASE_PUBLISHABLE_KEY',
  SUPABASE_SERVICE_ROLE_KEY: 'SUPABASE_SECRET_KEY',
};

export type Environment = z.infer<typeof schema>;

/**
 * The typed environment, parsed once at the edge. Variables come from the process first, then from `.env`,
 * then, when neither names a database, from the running local stack.
 * @throws CommandError when a variable is malformed.
 */
export function loadEnvironment(): Environment {
  const ofFile = (path: string) => present(readEnvironmentFile(path));
  const named = { ...ofFile(join(repositoryRoot, '.env')), ...present(process.env) };
  const local = named.DATABASE_URL || named.DIRECT_URL ? {} : ofFile(localEnvironmentFile);
  const result = schema.safeParse({ ...local, ...named });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CommandError(
    `${issue?.path.join('.')}: ${issue?.message}`,
    'correct the variable in the environment or in .env (.env.example shows every one)',
  );
}

/** True when the environment or `.env` names a database, so that no local one is needed. */
export function databaseIsGiven(): boolean {
  const named = { ...readEnvironmentFile(join(repositoryRoot, '.env')), ...present(process.env) };
  return Boolean(named.DATABASE_URL || named.DIRECT_URL);
}

/** The variables of a dotenv file; none when it does not exist. */
export function readEnvironmentFile(path: string): Record<string, string> {
  return existsSync(path) ? parse(readFileSync(path)) : {};
}

// An empty variable means the same as an unset one: CI systems pass secrets that are not set as ''. Of a key's two names
// the older gives way within its source, not to a source that comes later.
function present(variables: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
  const renamed = Object.entries(OLDER_NAMES).flatMap(([older, name]) =>
    given[older] ? [[name, given[older]]] : [],
  );
  return { ...Object.fromEntries(renamed), ...given };
}

function findRoot(from: string): string {
  if (existsSync(join(from, 'pnpm-workspace.yaml'))) return from;
  if (dirname(from) === from) throw new Error('no pnpm-workspace.yaml above @mobvibe/cli');
  return findRoot(dirname(from));
}
