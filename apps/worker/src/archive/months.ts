import { CommandError } from '@mobvibe/cli';
import type { Month } from './register.ts';

/**
 * The months that a person means: by `2026-01` that of events and that of sessions, by `coding_sessions_2026_01` the
 * one of that name.
 * @throws CommandError where there is none
 */
export function findMonths(months: Month[], text: string): Month[] {
  const [, table, year, month] =
    /^(?:partitions\.)?(session_events_|coding_sessions_)?(\d{4})[-_](\d{2})$/.exec(text) ?? [];
  const tables = table ? [table] : ['session_events_', 'coding_sessions_'];
  const found = months.filter(({ name }) => tables.some((each) => name === `${each}${year}_${month}`));
  if (found.length > 0) return found;
  throw new CommandError(
    year === undefined
      ? `"${text}" is no month`
      : `there is no month ${table ?? ''}${year}-${month}, neither here nor archived`,
    'pnpm worker archives lists them; write one as 2026-01',
    { exitCode: year === undefined ? 2 : 1 },
  );
}

/** Sessions that went on into the next month are over when they go, and their events have gone before them. */
const SESSIONS_LATER = 1;

/**
 * The months that were named, else those that have been over for at least `keep` months, of sessions one more. Events
 * come before sessions, which can go only without them. What somebody brought back stays until somebody names it.
 * @throws CommandError where one of them must stay
 */
export function monthsToArchive(months: Month[], texts: string[], keep: number): Month[] {
  if (texts.length === 0) {
    return months.filter(({ kind, state, age }) => {
      return (
        (state === 'live' || state === 'stored') && age >= keep + (kind === 'sessions' ? SESSIONS_LATER : 0)
      );
    });
  }
  const named = new Set(texts.flatMap((text) => findMonths(months, text)));
  const young = [...named].find(({ age }) => age < 1);
  if (young) {
    throw new CommandError(
      `${young.name} is too young`,
      'the current month and the last one stay; name older ones',
    );
  }
  return months.filter((month) => named.has(month) && month.state !== 'archived');
}

/** The months that a person wants back. Sessions come before events, which are bound to their jobs. */
export const monthsToRestore = (months: Month[], text: string): Month[] =>
  findMonths(months, text).sort((one, other) => other.kind.localeCompare(one.kind));
