import { CommandError, connect, describe, errorCode, oneLine } from '@mobvibe/cli';
import type pg from 'pg';
import { explained } from '../explained.ts';

/** While one connection waits for the disk or for us, the other one works; more would only wait for each other. */
const LANES = 2;

/**
 * Runs `task` on each of the chunks, several at a time, each in a transaction of its own. Whatever ends it, what is
 * committed stays, and every connection is closed.
 */
export async function inLanes<Chunk>(
  url: string,
  chunks: AsyncIterator<Chunk, void>,
  task: (client: pg.Client, chunk: Chunk) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const next = ahead(chunks);
  const clients: pg.Client[] = [];
  const open = async (): Promise<pg.Client> => {
    const client = await connect(describe(url));
    clients.push(client);
    signal?.throwIfAborted();
    return client;
  };
  const close = () => Promise.all(clients.map((client) => client.end().catch(() => {})));
  // Ends the statement under way, and with it the transaction.
  const interrupt = () => void close();
  signal?.addEventListener('abort', interrupt);
  let failed = false;
  const lane = async () => {
    let one = await next();
    if (one.done || failed) return;
    const client = await open();
    for (; !one.done && !failed; one = await next()) {
      const { value } = one;
      await inTransaction(client, () => task(client, value));
    }
  };
  try {
    signal?.throwIfAborted();
    const ended = await Promise.allSettled(
      Array.from({ length: LANES }, () =>
        lane().catch((error) => {
          failed = true;
          throw error;
        }),
      ),
    );
    signal?.throwIfAborted();
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  } finally {
    signal?.removeEventListener('abort', interrupt);
    await close();
  }
}

async function inTransaction(client: pg.Client, task: () => Promise<void>): Promise<void> {
  try {
    await client.query('begin');
    await task();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    if (error instanceof CommandError) throw error;
    throw explained(error, errorCode(error), oneLine(error));
  }
}

/** Makes the next chunk while the one before it is on its way. */
function ahead<Chunk>(chunks: AsyncIterator<Chunk, void>): () => Promise<IteratorResult<Chunk, void>> {
  let next = chunks.next();
  return () => {
    const current = next;
    next = current.then((one) => (one.done ? one : chunks.next()));
    // Whoever takes it hears of it.
    next.catch(() => {});
    return current;
  };
}
