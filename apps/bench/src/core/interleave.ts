import type { Step } from '@mobvibe/cli';

const PROGRESS_MS = 5_000;

/** One of several ways to do the same thing. */
export interface Contender {
  name: string;
  /** Does it for a moment and returns what it measured: durations in ms, or one figure of throughput. */
  slice(): Promise<number[]>;
}

/** What a contender measured, a list for each round. */
export interface Series {
  name: string;
  rounds: number[][];
}

/** One for each contender. */
type SeriesOf<Contenders extends readonly Contender[]> = { -readonly [Key in keyof Contenders]: Series };

export interface InterleaveOptions {
  rounds: number;
  /** Rounds before, of which nothing is kept. */
  warmup: number;
  signal?: AbortSignal;
  progress?: Step;
}

/**
 * Runs the contenders in turn: A B C, B C A, C A B … What drifts meanwhile (the clock of the processor, a neighbour,
 * autovacuum) hits all alike, and none is always the first.
 */
export async function interleave<const Contenders extends readonly Contender[]>(
  contenders: Contenders,
  options: InterleaveOptions,
): Promise<SeriesOf<Contenders>> {
  const { rounds, warmup, signal, progress } = options;
  const series = contenders.map(({ name }): Series => ({ name, rounds: [] }));
  let sayNext = performance.now() + PROGRESS_MS;
  for (let round = -warmup; round < rounds; round++) {
    if (round > 0 && performance.now() > sayNext) {
      progress?.update(`round ${round + 1} of ${rounds}`);
      sayNext = performance.now() + PROGRESS_MS;
    }
    for (const position of contenders.keys()) {
      signal?.throwIfAborted();
      const turn = (round + warmup + position) % contenders.length;
      const samples = await (contenders[turn] as Contender).slice();
      if (round >= 0) series[turn]?.rounds.push(samples);
    }
  }
  return series as SeriesOf<Contenders>;
}

/** How long each of `count` runs of `operation` took, one after another, in ms. */
export async function timed(count: number, operation: () => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    await operation();
    samples.push(performance.now() - started);
  }
  return samples;
}

/** Operations a second, `parallel` at a time, `count` in all. */
export async function throughput(
  count: number,
  parallel: number,
  operation: () => Promise<unknown>,
): Promise<number[]> {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await operation();
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: parallel }, lane));
  return [(count * 1000) / (performance.now() - started)];
}
