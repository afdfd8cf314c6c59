import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Group, resultSchema } from '../../apps/bench/src/core/result.ts';
import { table } from './markdown.ts';

/** The figures of every result file of a folder. */
export function measuredTables(directory: string): string {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => resultSchema.parse(JSON.parse(readFileSync(join(directory, name), 'utf8'))))
    .map(({ benchmark, date, machine, rows, groups }) => {
      const on = `${machine.cores} cores ${machine.cpu}, load ${machine.load} as it began`;
      const size = Object.entries(rows).map(([name, count]) => {
        const number = count.toLocaleString('en');
        return name.startsWith(number) ? name : `${number} ${name}`;
      });
      return [`**${benchmark}**, ${date.slice(0, 10)}, on ${on}; ${size.join(', ')}`, figures(groups)].join(
        '\n\n',
      );
    })
    .join('\n\n');
}

const figures = (groups: Group[]): string =>
  table(
    ['what', 'of', 'p50', 'p95', ''],
    groups.flatMap(({ title, unit, contenders }) =>
      contenders.map(({ name, p50, p95 }) => [title, name, figure(p50), figure(p95), unit]),
    ),
  );

const figure = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 });
