import { rm } from 'node:fs/promises';
import { apiEnvironment, readKeys } from './api/keys.ts';
import { writeWhole } from './files.ts';
import { type Layout, runningApi, serverUrl } from './running.ts';

/** The variables by which programs find a server that listens on `port`, and its API where that runs. */
export function serverEnvironment(layout: Layout, port: number): Record<string, string> {
  const [api, keys] = [runningApi(layout), readKeys(layout.keys)];
  return {
    DATABASE_URL: serverUrl(port),
    DIRECT_URL: serverUrl(port),
    ...(api && keys && apiEnvironment(api.url, keys)),
  };
}

export function writeEnvironment({ environment }: Layout, variables: Record<string, string>): Promise<void> {
  const content = `# Written by pnpm local start, removed by pnpm local stop.\n${dotenvLines(variables)}\n`;
  return writeWhole(environment, content, 0o600);
}

export function removeEnvironment({ environment }: Layout): Promise<void> {
  return rm(environment, { force: true });
}

export function dotenvLines(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}
