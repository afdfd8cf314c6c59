import { CommandError, errorCode } from '@mobvibe/cli';
import pRetry from 'p-retry';
import type pg from 'pg';
import type { Contents } from './contents.ts';

/** `events`: a month of session_events. `sessions`: the jobs and attempts of the sessions that were opened in a month. */
export type Kind = 'events' | 'sessions';

/** A month, be it here or archived. */
export interface Month {
  kind: Kind;
  /** `session_events_2026_01`, `coding_sessions_2026_01`. */
  name: string;
  range_start: Date;
  range_end: Date;
  /** For how many whole months it has been over. */
  age: number;
  /** `live`: never archived. `stored`: archived, and still here. `archived`: gone from here. `restored`: back. */
  state: 'live' | 'stored' | 'archived' | 'restored';
  /** Events, or jobs. Of a live month: an estimate, or the jobs of all its sessions, those that must stay among them. */
  rows: number;
  size_bytes: number;
  location: string | null;
  /** What the archive consists of; undefined for a live month. */
  contents: Contents | undefined;
  archived_at: Date | null;
}

/** The months in the database, and what may be done to them. */
export interface Register {
  /** All months: those of events, then those of sessions; each oldest first. */
  months(): Promise<Month[]>;
  /** The rows of a month as lines of an archive. */
  lines(month: Month): AsyncGenerator<string[]>;
  /** Enters an archive that was read back; false where one is in force already. */
  record(month: Month, location: string, contents: Contents): Promise<boolean>;
  /** Forgets an archive that cannot be read back. */
  discard(month: Month): Promise<boolean>;
  /** Drops the month; false, and the archive forgotten, where it is not what was archived. */
  drop(month: Month, contents: Contents): Promise<boolean>;
  beginRestore(month: Month): Promise<void>;
  restoreLines(month: Month, lines: string[]): Promise<void>;
  /**
   * Holds what was restored against the register, and lets everybody see it.
   * @returns how many rows belong to what was deleted since, and stay away.
   */
  endRestore(month: Month): Promise<number>;
}

/** What the functions of a kind are called. Those that end a restore: one after the other, each with its own locks. */
const KINDS = {
  events: {
    one: 'event',
    months: 'select m.*, m.partition_name as name, m.events as rows from private.list_event_months() as m',
    end: ['check_event_restore', 'clear_event_restore', 'end_event_restore'],
  },
  sessions: {
    one: 'session',
    months: 'select m.*, m.jobs as rows from private.list_session_months() as m',
    end: ['end_session_restore'],
  },
} as const;

/** What the rows of a month are, for a person. */
export const nounOf = ({ kind }: Pick<Month, 'kind'>): string => (kind === 'events' ? 'events' : 'jobs');

const BATCH_BYTES = 1_000_000;
/** How often to try again where others keep the table busy. */
const RETRIES = 8;

type MonthRow = Omit<Month, 'kind' | 'contents' | 'rows' | 'size_bytes'> & {
  rows: string;
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
        'others keep the tables busy',
        'end long queries on them (pg_stat_activity shows which), then run this again: nothing is lost',
        { cause: error },
      );
    }
  }
  const first = async <T>(sql: string, values: unknown[]) =>
    (await query<{ value: T }>(sql, values))[0]?.value as T;

  async function monthsOf(kind: Kind): Promise<Month[]> {
    const found = await query<MonthRow>(KINDS[kind].months);
    return found.map(({ name, range_start, range_end, age, state, location, archived_at, ...row }) => {
      const { parts, checksum, row_checksum } = row;
      const [rows, size_bytes] = [Number(row.rows), Number(row.size_bytes)];
      const contents =
        parts === null || checksum === null || row_checksum === null
          ? undefined
          : { parts, row_count: rows, size_bytes, checksum, row_checksum };
      const where = { location, contents, archived_at };
      return { kind, name, range_start, range_end, age, state, rows, size_bytes, ...where };
    });
  }
  const oneOf = ({ kind }: Month) => KINDS[kind].one;

  return {
    months: async () => [...(await monthsOf('events')), ...(await monthsOf('sessions'))],
    async *lines(month) {
      let after: string | undefined;
      for (;;) {
        const rows = await query<{ line: string }>(
          `select line from private.read_${oneOf(month)}_lines($1, $2, $3, $4) as line`,
          [month.range_start, month.range_end, after, BATCH_BYTES],
        );
        if (rows.length === 0) return;
        after = rows.at(-1)?.line;
        yield rows.map(({ line }) => line);
      }
    },
    record: (month, location, contents) =>
      first(`select private.record_${oneOf(month)}_archive($1, $2, $3, $4, $5, $6, $7) as value`, [
        ...[month.name, location, contents.parts, contents.row_count, contents.size_bytes],
        ...[contents.checksum, contents.row_checksum],
      ]),
    discard: (month) =>
      first(`select private.discard_${oneOf(month)}_archive($1, $2) as value`, [
        month.name,
        month.contents?.checksum,
      ]),
    drop: ({ kind, name }, { checksum }) =>
      first(`select private.drop_archived_${kind}($1, $2) as value`, [name, checksum]),
    beginRestore: (month) => first(`select private.begin_${oneOf(month)}_restore($1)`, [month.name]),
    restoreLines: (month, lines) =>
      first(`select private.restore_${oneOf(month)}_lines($1, $2)`, [month.name, lines]),
    async endRestore({ kind, name }) {
      let leftOut = 0;
      // Those that only check return nothing.
      for (const step of KINDS[kind].end) {
        leftOut += Number((await first<string>(`select private.${step}($1) as value`, [name])) || 0);
      }
      return leftOut;
    },
  };
}

/** A lock that was not to be had, or a deadlock: everything was taken back, and may be tried again. */
const isBusy = (error: unknown) => ['55P03', '40P01'].includes(errorCode(error) ?? '');

/** What the register's functions refuse, with a hint that says what to do. */
const isRefused = (error: unknown): error is Error & { hint?: string } =>
  ['MV007', 'MV008'].includes(errorCode(error) ?? '');
