import type { Report } from './run.ts';

const sum = (counts: Record<string, number>) =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** Which invariants a line of the table stands for. */
const PROMISES: Record<string, string[]> = {
  lost: ['lost'],
  'doubly applied': ['marks', 'effects', 'completions', 'attempts', 'usage'],
  gaps: ['gaps'],
  duplicates: ['duplicates'],
  'two in a session': ['two_in_a_session'],
  "over the user's limit": ['over_limit'],
  'claimed too many': ['overclaim'],
  'stale writes taken': ['stale_write', 'stale'],
  'ended otherwise than told': ['poison', 'unexplained'],
  'workers crashed': ['crash'],
};

/** A report as a person reads it: what was done, what became of it, and what must be 0. */
export function showReport(report: Report): string {
  const { dose, faults, refused, violated } = report;
  const of = (name: keyof Report['faults']) => faults[name] ?? 0;
  const rows: [string, string | number][] = [
    ['seed', dose.seed],
    ['seconds', report.seconds],
    ['jobs', dose.jobs],
    ...Object.entries(report.outcomes).map(([name, count]): [string, number] => [`  ${name}`, count]),
    ['attempts', report.attempts],
    ['workers at a time', dose.workers],
    ['kills', of('kill')],
    ['  more by poison jobs', report.poisoned],
    ['stops past the lease', of('freeze')],
    ['shutdowns', of('shutdown')],
    ['server restarts', of('restart')],
    ['connections ended by the server', of('terminate')],
    ['connections cut', of('cut')],
    ['connections gone silent', of('silence')],
    ['connections slowed', of('delay')],
    ['server full', of('fill')],
    ['old snapshots held', of('hold_snapshot')],
    ['claims on stale statistics', of('overclaim')],
    ['refused: writes of workers that had lost the job', sum(refused.workers)],
    ...Object.entries(refused.workers).map(([name, count]): [string, number] => [`  ${name}`, count]),
    ['refused: the same, made on purpose', refused.staged],
    ['deadlocks', report.deadlocks],
    ['samples', report.samples],
    ...Object.entries(PROMISES).map(([name, invariants]): [string, string] => {
      const count = invariants.reduce((total, invariant) => total + (violated[invariant] ?? 0), 0);
      return [name, `${count} ${count === 0 ? '✓' : '✗'}`];
    }),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const digits = Math.max(...rows.map(([, value]) => String(value).replace(/ .*/, '').length));
  return rows
    .map(([name, value]) => {
      const [number = '', ...rest] = String(value).split(' ');
      return [name.padEnd(width), number.padStart(digits), ...rest].join(' ');
    })
    .join('\n');
}

/** The violations as lines, at most `most`. */
export function showViolations({ violations }: Report, most = 20): string[] {
  const lines = violations
    .slice(0, most)
    .map(({ invariant, subject, detail }) => `${invariant}: ${subject}: ${detail}`);
  return violations.length > most ? [...lines, `… and ${violations.length - most} more`] : lines;
}
