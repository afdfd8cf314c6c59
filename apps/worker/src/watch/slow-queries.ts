import { CommandError, errorCode } from '@mobvibe/cli';
import type pg from 'pg';

export const ORDERS = ['total', 'mean', 'calls'] as const;
export type Order = (typeof ORDERS)[number];

/** A statement of our roles, as pg_stat_statements counts it: all times of it together. */
export interface SlowQuery {
  query_id: string;
  role: string;
  calls: number;
  mean_ms: number;
  stddev_ms: number;
  max_ms: number;
  total_ms: number;
  /** Of the time that all statements in this database took. */
  share: number;
  rows_per_call: number;
  /** Pages found in shared buffers, and pages that were not. */
  blocks_hit: number;
  blocks_read: number;
  /** Without values, and cut off where it is long. */
  query: string;
}

/**
 * The statements that took longest.
 * @throws CommandError where pg_stat_statements is not installed, or not loaded.
 */
export async function readSlowQueries(
  pool: Pick<pg.Pool, 'query'>,
  { limit, order }: { limit: number; order: Order },
): Promise<SlowQuery[]> {
  const { rows } = await pool
    .query('select * from private.slow_queries($1, $2)', [limit, order])
    .catch((error: unknown) => {
      throw notCounted(error) ?? error;
    });
  // bigint comes as text.
  return rows.map((row) => ({
    ...row,
    calls: Number(row.calls),
    blocks_hit: Number(row.blocks_hit),
    blocks_read: Number(row.blocks_read),
  }));
}

function notCounted(cause: unknown): CommandError | undefined {
  switch (errorCode(cause)) {
    case '0A000':
      return new CommandError(
        'nobody counts queries: the extension pg_stat_statements is not installed in this database',
        'as postgres: create extension pg_stat_statements with schema extensions',
        { cause },
      );
    case '55000':
      return new CommandError(
        'nobody counts queries: the server has not loaded pg_stat_statements',
        "add it to the server's shared_preload_libraries, and restart the server",
        { cause },
      );
  }
}
