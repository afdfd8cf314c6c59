import { beQuiet, describe, withConnection } from '@mobvibe/cli';
import { deploy } from '@mobvibe/db/commands';
import { type Server, startServer } from '@mobvibe/local';
import { applyLayer, setLoginPasswords } from '@mobvibe/rls-sql';

/** Starts a Postgres of its own process and data, and brings it to the schema as `pnpm turbo migrate` does. */
export async function startNode(): Promise<Server> {
  const server = await startServer({ durable: false });
  try {
    beQuiet();
    const target = describe(server.url);
    await deploy(target);
    await withConnection(target, async (client) => {
      await applyLayer(client);
      await setLoginPasswords(client, target);
    });
    return server;
  } catch (error) {
    await server.stop({ remove: true });
    throw error;
  }
}
