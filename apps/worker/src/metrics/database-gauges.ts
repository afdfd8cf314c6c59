import { Gauge } from 'prom-client';
import { CHECKS, type Check } from '../watch/checks.ts';
import { LEVELS, type Reading } from '../watch/readings.ts';
import { inWords } from '../watch/units.ts';
import { cached } from './cached.ts';
import type { Metrics } from './metrics.ts';

// Every worker is scraped, and each asks for itself: nothing here changes within seconds.
const FRESH_MS = 15_000;

const SUFFIXES = { seconds: '_seconds', ratio: '_ratio', times: '_ratio', bytes: '_bytes', count: '' };

/** The metric of a check: `mobvibe_database_partition_runway_seconds`. */
export const metricOf = ({ name, unit }: Check): string => `mobvibe_database_${name}${SUFFIXES[unit]}`;

/**
 * Adds a gauge for each check, of what is worst, and one for the levels, read when they are scraped; absent while the
 * database does not answer. What is worst has no label: names of processes and tables would have no bound.
 */
export function addDatabaseGauges({ registry }: Metrics, takeReadings: () => Promise<Reading[]>): void {
  const read = cached(takeReadings, FRESH_MS);
  const registers = [registry];
  for (const check of CHECKS) {
    new Gauge({
      name: metricOf(check),
      help: helpOf(check),
      registers,
      async collect() {
        const readings = await read().catch(() => []);
        const value = readings.find((reading) => reading.check.name === check.name)?.value ?? null;
        if (value === null) this.remove();
        else this.set(value);
      },
    });
  }
  new Gauge({
    name: 'mobvibe_database_check_level',
    help: `What a check says: ${LEVELS.map((level, number) => `${number} ${level}`).join(', ')}`,
    labelNames: ['check'] as const,
    registers,
    async collect() {
      this.reset();
      for (const { check, level } of await read().catch(() => [])) {
        this.set({ check: check.name }, LEVELS.indexOf(level));
      }
    },
  });
}

function helpOf({ measures, amiss, unit, warn, critical }: Check): string {
  const from = amiss === 'above' ? 'from' : 'below';
  const levels = [
    `warn ${from} ${inWords(warn, unit)}`,
    ...(critical === undefined ? [] : [`critical ${from} ${inWords(critical, unit)}`]),
  ];
  return `${measures.charAt(0).toUpperCase()}${measures.slice(1)}: ${levels.join(', ')}`;
}
