import { rm } from 'node:fs/promises';
import { writeWhole } from './files.ts';
import { type Layout, serverUrl } from './running.ts';

/** The variables by which programs find a server that listens on `port`. */
export function serverEnvironment(port: number): Record<string, string> {
  return { DATABASE_URL: serverUrl(port), DIRECT_URL: serverUrl(port) };
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
