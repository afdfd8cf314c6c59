import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect, type Target } from '@mobvibe/cli';
import { copyTexts, type SeedOptions } from '@mobvibe/seed';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

const SCHEMA = 'bench_copy';

export interface BareCopy {
  /** Of each table, without its schema. */
  rows: Record<string, number>;
  /** Empties the tables, then writes all rows into them and returns how long that took, in ms. */
  slice(into: 'indexed' | 'plain'): Promise<number[]>;
  drop(): Promise<void>;
}

interface Table {
  name: string;
  columns: string[];
  pieces: Buffer[];
}

/**
 * The rows of a data set as COPY takes them, rendered beforehand, and tables for them: the columns and CHECK
 * constraints of ours, with or without their primary keys and indexes; no trigger, no foreign key, no row-level
 * security, no partition. One connection, one COPY a table.
 */
export async function bareCopy(target: Target, options: SeedOptions): Promise<BareCopy> {
  const tables = new Map<string, Table>();
  const rows: Record<string, number> = {};
  for await (const { table, columns, pieces, rows: count } of copyTexts(options)) {
    const known = tables.get(table) ?? { name: table.split('.')[1] ?? table, columns, pieces: [] };
    known.pieces.push(...pieces);
    tables.set(table, known);
    rows[known.name] = (rows[known.name] ?? 0) + count;
  }
  const client = await connect(target);
  await client.query(`drop schema if exists ${SCHEMA} cascade; create schema ${SCHEMA}`);
  for (const [original, { name }] of tables) {
    await client.query(`create table ${SCHEMA}.indexed_${name} (like ${original} including all);
      create table ${SCHEMA}.plain_${name} (like ${original} including all excluding indexes)`);
  }
  return {
    rows,
    slice: async (into) => {
      const all = [...tables.values()];
      await client.query(`truncate ${all.map(({ name }) => `${SCHEMA}.${into}_${name}`).join(', ')}`);
      const started = performance.now();
      for (const table of all) await copy(client, `${SCHEMA}.${into}_${table.name}`, table);
      return [performance.now() - started];
    },
    drop: async () => {
      await client.query(`drop schema ${SCHEMA} cascade`);
      await client.end();
    },
  };
}

async function copy(client: pg.Client, name: string, { columns, pieces }: Table): Promise<void> {
  const stream = client.query(copyFrom(`copy ${name} (${columns.join(', ')}) from stdin`));
  await pipeline(Readable.from(pieces), stream);
}
