import { beQuiet, describe, withConnection } from '@mobvibe/cli';
import { deploy } from '@mobvibe/db/commands';
import { startServer } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';
import type { TestProject } from 'vitest/node';
import { TEMPLATE } from './template.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The test server: `url` as postgres, `adminUrl` as the platform's superuser. */
    server: { url: string; adminUrl: string };
  }
}

/** Starts the server of this run and makes the template that every test database is cloned from. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer({ durable: false });
  try {
    await makeTemplate(server.url);
  } catch (error) {
    await server.stop({ remove: true });
    throw error;
  }
  project.provide('server', { url: server.url, adminUrl: server.adminUrl });
  return () => server.stop({ remove: true });
}

// The database `postgres` stays a bare platform: tests of the platform and of a first migration clone it.
async function makeTemplate(url: string): Promise<void> {
  beQuiet();
  await withConnection(describe(url), (client) =>
    client.query(`create database ${TEMPLATE} template postgres`),
  );
  const template = describe(Object.assign(new URL(url), { pathname: TEMPLATE }).href);
  await deploy(template);
  await withConnection(template, async (client) => {
    await applyLayer(client);
    await setLoginPasswords(client, template);
  });
}
