import { CommandError, errorCode } from '@mobvibe/cli';
import pRetry from 'p-retry';
import type pg from 'pg';
import type { Contents } from './contents.ts';

/** A month of session_events, be it here or archived. */
export interface Month {
  partition_name: string;
  range_start: Date;
  range_end: Date;
  /** For how many whole months it has been over. */
  age: number;
  /** `live`: never archived. `stored`: archived, and still here. `archived`: gone from here. `restored`: back. */
  state: 'live' | 'stored' | 'archived' | 'restored';
  /** Of a live month: an estimate. */
  events: number;
  size_bytes: number;
  location: string | null;
  /** What the archive consists of; undefined for a live month. */
  contents: Contents | undefined;
  archived_at: Date | null;
}

/** The months in the database, and what may be done to them. */
export interface Register {
  /** All months, oldest first. */
  months(): Promise<Month[]>;
  /** The events of a month as lines of an archive. */
  lines(month: Month): AsyncGenerator<string[]>;
  /** Enters an archive that was read back; false where one is in force already. */
  record(month: Month, location: string, contents: Contents): Promise<boolean>;
  /** Forgets an archive that cannot be read back. */
  discard(month: Month): Promise<boolean>;
  /** Drops the month; false, and the archive forgotten, where it is not what was archived. */
  drop(month: Month, contents: Contents): Promise<boolean>;
  beginRestore(month: Month): Promise<void>;
  restoreLines(month: Month, lines: string[]): Promise<void>;
  checkRestore(month: Month): Promise<void>;
  /** @returns how many events belong to what was deleted since, and stay away. */
  clearRestore(month: Month): Promise<number>;
  endRestore(month: Month): Promise<void>;
}

const BATCH_BYTES = 1_000_000;
/** How often to try again where others keep the table busy. */
const RETRIES = 8;

type MonthRow = Omit<Month, 'contents' | 'events' | 'size_bytes'> & {
  events: string;
  size_bytes: string;
} & { [Key in 'parts' | 'checksum' | 'row_checksum']: Contents[Key] | null };

export function openRegister(pool: Pick<pg.Pool, 'connect'>): Register {
  /** One statement in a transaction of its own, however long it takes. */
  async function once<T extends pg.QueryResultRow>(sql: string, values: unknown[]): Promise<T[]> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query('set local statement_timeout = 0');
      const { rows } = await client.query<T>(sql, values);
      await client.query('commit');
      client.release();
      return rows;
    } catch (error) {
      // With the connection goes what it left open.
      client.release(true);
      throw error;
    }
  }
  async function query<T extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<T[]> {
    try {
      return await pRetry(() => once<T>(sql, values), {
        retries: RETRIES,
        minTimeout: 100,
        maxTimeout: 5_000,
        randomize: true,
        shouldRetry: ({ error }) => isBusy(error),
      });
    } catch (error) {
      if (isRefused(error)) throw new CommandError(error.message, error.hint ?? '', { cause: error });
      if (!isBusy(error)) throw error;
      throw new CommandError(
        'others keep session_events busy',
        'end long queries on it (pg_stat_activity shows them), then run this again: nothing is lost',
        { cause: error },
      );
    }
  }
  const first = async <T>(sql: string, values: unknown[]) =>
    (await query<{ value: T }>(sql, values))[0]?.value as T;

  return {
    async months() {
      const rows = await query<MonthRow>('select * from private.list_event_months()');
      return rows.map(({ parts, checksum, row_checksum, ...row }) => {
        const [events, size_bytes] = [Number(row.events), Number(row.size_bytes)];
        const contents =
          parts === null || checksum === null || row_checksum === null
            ? undefined
            : { parts, row_count: events, size_bytes, checksum, row_checksum };
        return { ...row, events, size_bytes, contents };
      });
    },
    async *lines({ range_start, range_end }) {
      let after: string | undefined;
      for (;;) {
        const rows = await query<{ line: string }>(
          'select line from private.read_event_lines($1, $2, $3, $4) as line',
          [range_start, range_end, after, BATCH_BYTES],
        );
        if (rows.length === 0) return;
        after = rows.at(-1)?.line;
        yield rows.map(({ line }) => line);
      }
    },
    record: ({ partition_name }, location, contents) =>
      first('select private.record_event_archive($1, $2, $3, $4, $5, $6, $7) as value', [
        ...[partition_name, location, contents.parts, contents.row_count, contents.size_bytes],
        ...[contents.checksum, contents.row_checksum],
      ]),
    discard: ({ partition_name, contents }) =>
      first('select private.discard_event_archive($1, $2) as value', [partition_name, contents?.checksum]),
    drop: ({ partition_name }, { checksum }) =>
      first('select private.drop_archived_events($1, $2) as value', [partition_name, checksum]),
    beginRestore: ({ partition_name }) => first('select private.begin_event_restore($1)', [partition_name]),
    restoreLines: ({ partition_name }, lines) =>
      first('select private.restore_event_lines($1, $2)', [partition_name, lines]),
    checkRestore: ({ partition_name }) => first('select private.check_event_restore($1)', [partition_name]),
    clearRestore: async ({ partition_name }) =>
      Number(await first('select private.clear_event_restore($1) as value', [partition_name])),
    endRestore: ({ partition_name }) => first('select private.end_event_restore($1)', [partition_name]),
  };
}

/** A lock that was not to be had, or a deadlock: everything was taken back, and may be tried again. */
const isBusy = (error: unknown) => ['55P03', '40P01'].includes(errorCode(error) ?? '');

/** What the register's functions refuse, with a hint that says what to do. */
const isRefused = (error: unknown): error is Error & { hint?: string } =>
  ['MV007', 'MV008'].includes(errorCode(error) ?? '');
