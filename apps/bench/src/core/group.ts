import type { Series } from './interleave.ts';
import type { Check, Group, Target } from './result.ts';
import { figuresOf, ratioOf } from './statistics.ts';

/** The group that these series make, every contender's figures in it. */
export function groupOf(title: string, unit: Group['unit'], series: Series[], checks: Check[] = []): Group {
  const better = unit === 'ms' ? 'low' : 'high';
  const contenders = series.map((one) => ({ name: one.name, ...rounded(figuresOf(one, better)) }));
  return { title, unit, contenders, checks };
}

/** A contender held against another one: the ratio of their medians. */
export function ratioCheck(series: Series, baseline: Series, target?: Target): Check {
  const { ratio, spread } = ratioOf(series, baseline);
  return {
    what: `${series.name} / ${baseline.name}`,
    unit: '×',
    spread: rounded(spread),
    ...held(ratio, target),
  };
}

/** A figure of one contender, held against a limit. */
export const figureCheck = (what: string, value: number, unit: Check['unit'], target: Target): Check => ({
  what,
  unit,
  ...held(value, target),
});

function held(value: number, target: Target | undefined): Pick<Check, 'value' | 'target' | 'met'> {
  const { value: shown } = rounded({ value });
  if (!target) return { value: shown };
  return { value: shown, target, met: 'atMost' in target ? shown <= target.atMost : shown >= target.atLeast };
}

/** To three decimals: a microsecond where the unit is a millisecond. */
const rounded = <T extends object>(figures: T): T =>
  Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [name, Math.round(value * 1000) / 1000]),
  ) as T;
