import { createHash } from 'node:crypto';
import { type FlySandboxesOptions, openFlySandboxes } from './fly/fly.ts';
import { openLocalSandboxes } from './local.ts';
import type { Sandboxes } from './sandbox.ts';

/** The Fly app whose machines are sandboxes, as the environment names it. */
export type FlyConfig = Pick<
  FlySandboxesOptions,
  'token' | 'app' | 'baseUrl' | 'image' | 'region' | 'previewUrl'
>;

/**
 * The sandboxes of this worker: Fly Machines where there is a Fly app for them, else directories of this machine.
 * @param databaseUrl of the database that holds the sessions
 * @throws CommandError when they cannot be made.
 */
export async function openSandboxes(
  config: { dataDirectory: string; fly: FlyConfig | undefined },
  databaseUrl: string,
): Promise<Sandboxes> {
  const database = databaseId(databaseUrl);
  return config.fly
    ? openFlySandboxes({ ...config.fly, database })
    : openLocalSandboxes(config.dataDirectory, database);
}

/** Tells databases apart, without a name of a host in it. */
export function databaseId(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return createHash('sha256').update(`${hostname}:${port}${pathname}`).digest('hex').slice(0, 16);
}
