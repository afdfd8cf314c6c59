import type { Result } from './result.ts';
import type { BenchServer } from './server.ts';

/** What a benchmark is given. */
export interface Run {
  server: BenchServer;
  rounds: number;
  /** Rounds before those, of which nothing is kept. */
  warmup: number;
  quick: boolean;
  /** The one of the benchmark's `parts` to measure; undefined: all. */
  only?: string | undefined;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

export interface Benchmark {
  /** As it is typed: `pnpm bench <name>`; its result files have the same name. */
  name: string;
  description: string;
  /** Rounds by default, and with --quick. */
  rounds: { full: number; quick: number };
  /** What --only may name, where the benchmark can be measured in parts. */
  parts?: readonly string[];
  run(run: Run): Promise<Pick<Result, 'rows' | 'groups'>>;
}
