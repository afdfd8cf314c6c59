import { colors } from '@mobvibe/cli';
import type { Command } from 'commander';
import { LEVELS, type Level, type Reading, takeReadings, worstOf } from '../watch/readings.ts';
import { inWords } from '../watch/units.ts';
import { draw, refuseWatching, watch } from './draw.ts';
import { onQueue, printJson, type QueueFlags } from './on-queue.ts';

interface StatsOptions extends QueueFlags {
  watch?: boolean;
}

export function addStats(cli: Command): void {
  cli
    .command('stats')
    .description('what is amiss in the database and the queue, and what to do about it')
    .option('--watch', 'on a terminal: draw it again each second, until Ctrl-C')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `
Exit code 1 when a check is critical, as when the database cannot be reached; warnings leave it 0.
Each check, its thresholds and what to do: docs/OPERATING.md. The same numbers are on a worker's /metrics.`,
    )
    .action(async (options: StatsOptions) => {
      refuseWatching(options);
      await onQueue(options, undefined, async (_, pool) => {
        if (options.watch) return watch(async () => drawReadings(await takeReadings(pool)));
        const readings = await takeReadings(pool);
        if (options.json) printJson(reportOf(readings));
        else process.stdout.write(`${drawReadings(readings)}\n`);
        if (levelOf(readings) === 'critical') process.exitCode = 1;
      });
    });
}

const levelOf = (readings: Reading[]): Level => worstOf(readings.map(({ level }) => level));

function reportOf(readings: Reading[]) {
  return {
    level: levelOf(readings),
    checks: readings.map(({ check, level, value, findings }) => ({
      name: check.name,
      level,
      value,
      unit: check.unit,
      amiss: check.amiss,
      warn: check.warn,
      critical: check.critical ?? null,
      remedy: level === 'ok' ? null : check.remedy,
      findings,
    })),
  };
}

const COLORS = { ok: colors.green, warn: colors.yellow, critical: colors.red };

/** Every check in a table, then what to do about those that are not ok. */
function drawReadings(readings: Reading[]): string {
  const amiss = LEVELS.toReversed().flatMap((level) =>
    level === 'ok' ? [] : readings.filter((reading) => reading.level === level),
  );
  const table = draw(
    ['level', 'check', 'now', 'warn', 'critical', 'where'],
    readings.map(({ check, level, value, findings }) => {
      const threshold = (at: number | undefined) =>
        at === undefined ? '–' : `${check.amiss === 'above' ? '≥' : '<'} ${inWords(at, check.unit)}`;
      return [
        COLORS[level](level),
        check.name,
        value === null ? '–' : inWords(value, check.unit),
        threshold(check.warn),
        threshold(check.critical),
        level === 'ok' ? '' : subjectsOf(findings.filter((finding) => finding.level !== 'ok')),
      ];
    }),
  );
  const remedies = amiss.map(
    ({ check, level }) => `${COLORS[level](`${level}:`)} ${check.name}: ${check.remedy}`,
  );
  const counts = LEVELS.map((level) => `${readings.filter((one) => one.level === level).length} ${level}`);
  return [table, ...remedies, `${readings.length} checks: ${counts.join(', ')}`].join('\n');
}

const MOST_SUBJECTS = 3;

function subjectsOf(findings: Reading['findings']): string {
  const names = findings.flatMap(({ subject }) => (subject === null ? [] : [subject]));
  const more = names.length - MOST_SUBJECTS;
  return [...names.slice(0, MOST_SUBJECTS), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
