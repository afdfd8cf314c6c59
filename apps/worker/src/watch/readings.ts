import { CommandError, errorCode } from '@mobvibe/cli';
import type pg from 'pg';
import { CHECKS, type Check } from './checks.ts';

export const LEVELS = ['ok', 'warn', 'critical'] as const;
export type Level = (typeof LEVELS)[number];

/** Something that a check found: of which table, process or slot, where there are several. */
export interface Finding {
  subject: string | null;
  value: number;
  level: Level;
}

/** What a check says now. */
export interface Reading {
  check: Check;
  level: Level;
  /** Of what is worst; null: too little has happened yet to tell. */
  value: number | null;
  /** Worst first. */
  findings: Finding[];
}

interface Measurement {
  check_name: string;
  subject: string | null;
  value: number;
}

/**
 * Measures the database once and holds every check against it: one statement, which reads no table of users.
 * @throws CommandError when a table of the queue is locked, by a migration most likely.
 */
export async function takeReadings(
  pool: Pick<pg.Pool, 'query'>,
  checks: readonly Check[] = CHECKS,
): Promise<Reading[]> {
  const { rows } = await pool
    .query<Measurement>('select * from private.measurements()')
    .catch((error: unknown) => {
      throw errorCode(error) === '55P03' ? tableLocked(error) : error;
    });
  return checks.map((check) => read(check, rows));
}

/** The worst of several levels. */
export function worstOf(levels: Level[]): Level {
  return LEVELS.findLast((level) => levels.includes(level)) ?? 'ok';
}

function read(check: Check, measurements: Measurement[]): Reading {
  const worstFirst = (one: Finding, other: Finding) =>
    check.amiss === 'above' ? other.value - one.value : one.value - other.value;
  const findings = measurements
    .filter(({ check_name }) => check_name === check.name)
    .map(({ subject, value }) => ({ subject, value, level: levelOf(check, value) }))
    .sort(worstFirst);
  const [worst] = findings;
  // Nothing found is nothing amiss, where there can be too much of it only.
  const value = worst?.value ?? (check.amiss === 'above' ? 0 : null);
  return { check, level: worst?.level ?? 'ok', value, findings };
}

function levelOf({ amiss, warn, critical }: Check, value: number): Level {
  const reaches = (threshold: number | undefined) =>
    threshold !== undefined && (amiss === 'above' ? value >= threshold : value < threshold);
  if (reaches(critical)) return 'critical';
  return reaches(warn) ? 'warn' : 'ok';
}

function tableLocked(cause: unknown): CommandError {
  return new CommandError(
    'a table of the queue is locked, so its rows cannot be counted',
    "wait for the migration that runs, or find who holds the lock: select * from pg_stat_activity where xact_start < now() - interval '1 minute'",
    { cause },
  );
}
