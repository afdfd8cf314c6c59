import { CommandError } from '@mobvibe/cli';
import type { Month } from './register.ts';

/**
 * The month that a person means by `2026-01`, or by the name of its partition.
 * @throws CommandError where there is none
 */
export function findMonth(months: Month[], text: string): Month {
  const [, year, month] = /^(?:(?:partitions\.)?session_events_)?(\d{4})[-_](\d{2})$/.exec(text) ?? [];
  const found = months.find(({ partition_name }) => partition_name === `session_events_${year}_${month}`);
  if (found) return found;
  throw new CommandError(
    year === undefined
      ? `"${text}" is no month`
      : `there is no month ${year}-${month}, neither here nor archived`,
    'pnpm worker archives lists them; write one as 2026-01',
    { exitCode: year === undefined ? 2 : 1 },
  );
}

/**
 * The months that were named, else those that have been over for at least `keep` months. What somebody brought back
 * stays until somebody names it.
 * @throws CommandError where one of them must stay
 */
export function monthsToArchive(months: Month[], texts: string[], keep: number): Month[] {
  if (texts.length === 0) {
    return months.filter(({ state, age }) => (state === 'live' || state === 'stored') && age >= keep);
  }
  const named = texts.map((text) => findMonth(months, text));
  const young = named.find(({ age }) => age < 1);
  if (young) {
    throw new CommandError(
      `${young.partition_name} is too young`,
      'the current month and the last one stay; name older ones',
    );
  }
  return named.filter(({ state }) => state !== 'archived');
}
