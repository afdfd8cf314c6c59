import { hash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Throws that are the same on every machine: whole numbers all the way, and nothing that ICU or libm decides. */
export interface Dice {
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** True in so many of a thousand throws. */
  perMille(often: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** Mostly small, now and then up to 300 times the median: what heavy users and long sessions are made of. */
  skewed(): number;
}

/** The dice of what `path` names. Each path has a stream of its own. */
export function diceFor({ name }: { name: string }, path: string): Dice {
  const random = xoroshiro128plus(hash('sha256', `dice/${name}/${path}`, 'buffer').readInt32BE(0));
  const int = (low: number, high: number): number => uniformInt(random, low, high);
  return {
    int,
    perMille: (often) => int(1, 1000) <= often,
    pick: (list) => list[int(0, list.length - 1)] as (typeof list)[number],
    skewed: () => Math.floor(100_000_000 / (int(0, 999_999) + 2_000)),
  };
}

/**
 * `total` in whole parts, each as large as its weight says and none lost to rounding. BigInt, because a product of
 * the two does not fit into a double.
 */
export function shares(total: number, weights: readonly number[]): number[] {
  const sum = BigInt(weights.reduce((all, weight) => all + weight, 0));
  if (sum === 0n) return weights.map(() => 0);
  let [before, reached] = [0n, 0];
  return weights.map((weight) => {
    before += BigInt(weight);
    const next = Number((BigInt(total) * before) / sum);
    const share = next - reached;
    reached = next;
    return share;
  });
}
