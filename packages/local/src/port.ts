import { connect, createServer } from 'node:net';
import { CommandError } from '@mobvibe/cli';

/** The port of the Supabase CLI. */
export const DEFAULT_PORT = 54322;
/** Where its API listens: one below. */
export const DEFAULT_API_PORT = 54321;
const STEP = 10;
const CANDIDATES = 50;

/** `first`, then the ports that further checkouts take: 54332, 54342 … */
export function* portsFrom(first: number): Generator<number> {
  for (let n = 0; n < CANDIDATES && first + n * STEP < 65_536; n++) yield first + n * STEP;
}

/** Whether nothing listens on a port of this machine. */
export async function isFree(port: number): Promise<boolean> {
  // Listening alone is no proof: where another server listens on all addresses, some systems allow 127.0.0.1 as well.
  return (await canListen(port)) && !(await answers(port));
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/**
 * A port number that a person typed.
 * @throws CommandError when it is none.
 */
export function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new CommandError(`"${text}" is not a port`, 'give a number from 1 to 65535', { exitCode: 2 });
}

export function portTaken(port: number, option = '--port'): CommandError {
  return new CommandError(
    `port ${port} is taken by another program`,
    `name a free one with ${option}, or leave it out: then the next free one is taken`,
  );
}
