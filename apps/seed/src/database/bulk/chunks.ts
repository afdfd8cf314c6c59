import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { DataSet } from '../../options.ts';
import { join, noRows, type Rows } from '../../rows.ts';
import { bulk } from '../../scales/bulk/bulk.ts';
import { type SeededUser, usersOf } from '../../users-of.ts';
import { workersOf } from '../../workers.ts';
import { type CopyText, copyTextWriter } from './copy-text.ts';
import { bulkTables } from './tables.ts';

const EVENTS = 10_000;
const USERS = 250;

/** Some users with everything they own: what one transaction writes. */
export interface Chunk {
  /** Counted from 0. */
  index: number;
  text: Record<keyof Rows, CopyText>;
  /** The same rows, but for the events, of which there are too many to keep twice. */
  rows: Omit<Rows, 'events'>;
}

/** A data set in chunks; and, once all of them have been taken, who is in it and what its rows are in one line. */
export function chunksOf(dataSet: DataSet): {
  chunks: AsyncGenerator<Chunk, void>;
  users: SeededUser[];
  hash(): string;
} {
  const users: SeededUser[] = [];
  const hashes = new Map<keyof Rows, Hash>(bulkTables.map(({ rows }) => [rows, createHash('sha256')]));

  async function* chunks(): AsyncGenerator<Chunk, void> {
    let chunk = writeChunk(0, hashes);
    chunk.add({ ...noRows(), workers: workersOf(dataSet, bulk.workers(dataSet)) });
    for (const { user, rows } of usersOf(dataSet, bulk)) {
      users.push(user);
      chunk.add(rows);
      if (chunk.isFull()) {
        const { index } = chunk;
        yield chunk.finish();
        chunk = writeChunk(index + 1, hashes);
      }
      // So that the chunks under way go on meanwhile.
      await setImmediate();
    }
    if (!chunk.isEmpty()) yield chunk.finish();
  }

  return {
    chunks: chunks(),
    users,
    hash: () => {
      const all = createHash('sha256');
      for (const { name, rows } of bulkTables) all.update(`${name} ${hashes.get(rows)?.digest('hex')}\n`);
      return `sha256:${all.digest('hex')}`;
    },
  };
}

/** A whole data set in one chunk, where that fits into memory. */
export function chunkOf(rows: Rows): Chunk {
  const chunk = writeChunk(0);
  chunk.add(rows);
  return chunk.finish();
}

function writeChunk(index: number, hashes?: Map<keyof Rows, Hash>) {
  const sets: Rows[] = [];
  let events = 0;
  const writers = bulkTables.map(
    ({ rows }) => [rows, copyTextWriter((piece) => hashes?.get(rows)?.update(piece))] as const,
  );
  return {
    index,
    add(rows: Rows): void {
      for (const [name, writer] of writers) writer.add(rows[name]);
      events += rows.events.length;
      sets.push({ ...rows, events: [] });
    },
    isFull: () => events >= EVENTS || sets.length >= USERS,
    isEmpty: () => sets.length === 0,
    finish(): Chunk {
      const text = Object.fromEntries(writers.map(([name, writer]) => [name, writer.finish()]));
      return { index, text: text as Chunk['text'], rows: join(sets) };
    },
  };
}
