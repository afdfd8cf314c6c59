import { median, quantile } from 'simple-statistics';
import type { Series } from './interleave.ts';

/** Where the middle half of some figures lies. */
export interface Spread {
  low: number;
  high: number;
}

export { median };

/** What `percent` of all samples do not exceed, interpolated between two of them. */
export const percentile = (samples: number[], percent: number): number => quantile(samples, percent / 100);

/** One contender's figures, in the unit of its samples. p95 is what 95 of 100 samples reach or better. */
export interface Figures {
  samples: number;
  p50: number;
  p95: number;
  p99: number;
}

/** @param better whether a low sample (a duration) or a high one (a throughput) is the better one */
export function figuresOf({ rounds }: Series, better: 'low' | 'high'): Figures {
  const samples = rounds.flat();
  const reached = (percent: number) => percentile(samples, better === 'low' ? percent : 100 - percent);
  return { samples: samples.length, p50: median(samples), p95: reached(95), p99: reached(99) };
}

/**
 * How many times as large `series` is as `baseline`: the ratio of the medians of all samples. The spread is that of
 * the ratios of each round, whose two slices ran right after one another.
 */
export function ratioOf(series: Series, baseline: Series): { ratio: number; spread: Spread } {
  const perRound = series.rounds.map(
    (samples, round) => median(samples) / median(baseline.rounds[round] ?? []),
  );
  return {
    ratio: median(series.rounds.flat()) / median(baseline.rounds.flat()),
    spread: { low: percentile(perRound, 25), high: percentile(perRound, 75) },
  };
}
