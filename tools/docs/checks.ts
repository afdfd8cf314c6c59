import { metricOf } from '../../apps/worker/src/metrics/database-gauges.ts';
import { CHECKS } from '../../apps/worker/src/watch/checks.ts';
import { inWords } from '../../apps/worker/src/watch/units.ts';
import { code, table } from './markdown.ts';

/** What `pnpm worker stats` watches, with thresholds and remedies. */
export const checkTable = (): string =>
  table(
    ['check', 'what it measures', 'warn', 'critical', 'what to do', 'metric'],
    CHECKS.map((check) => {
      const from = (at: number | undefined) =>
        at === undefined ? '–' : `${check.amiss === 'above' ? 'from' : 'below'} ${inWords(at, check.unit)}`;
      return [
        ...[code(check.name), check.measures, from(check.warn), from(check.critical), check.remedy],
        code(metricOf(check)),
      ];
    }),
  );
