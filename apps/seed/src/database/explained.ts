import { CommandError } from '@mobvibe/cli';

/** In words, with what to do about it: why Postgres refused a row of ours. */
export function explained(error: unknown, code: string | undefined, message: string | undefined): unknown {
  const because = (problem: string, fix: string) => new CommandError(problem, fix, { cause: error });
  switch (code) {
    case '42P01':
    case '42703':
    case '42883':
    case '3F000':
      return because(`the database lacks a migration: ${message}`, 'pnpm turbo migrate');
    case '42501':
      return because(`this login may not seed: ${message}`, 'use the login postgres in DATABASE_URL');
    case '23505':
      return because(
        `a row that is not of this data set stands in the way: ${message}`,
        'remove it, or take another data set with --seed',
      );
    default:
      return error;
  }
}

/** A user without a profile. */
export const noProfile = (): CommandError =>
  new CommandError('a new user got no profile: the trigger on auth.users is missing', 'pnpm turbo migrate');

/** Ids hold their time, so another `now` would give the same users a second set of everything. */
export function refuseOtherTime(
  { name, now }: { name: string; now: Date },
  planned: Date | null,
  found: Date | null,
): void {
  const shift = Number(found) - Number(planned);
  if (shift === 0) return;
  const then = new Date(now.getTime() + shift).toISOString();
  throw new CommandError(
    `the database holds ${name} as of ${then}`,
    `seed with --now ${then}, or remove it first with --clean`,
  );
}
