import { join } from 'node:path';
import { beQuiet, CommandError, repositoryRoot, say, withConnection } from '@mobvibe/cli';
import type { Command } from 'commander';
import type { Benchmark } from './benchmark.ts';
import { commit, machine, postgres } from './machine.ts';
import { missed, type Result } from './result.ts';
import { withServer } from './server.ts';
import { showResult } from './show.ts';
import { writeResult } from './write.ts';

const WARMUP = 3;

export interface Flags {
  json?: true;
  quick?: true;
  rounds?: string;
  only?: string;
  out?: string;
  assert?: true;
  allowRemote?: true;
}

/** Adds `pnpm bench <name>`. */
export function addBenchmark(cli: Command, benchmark: Benchmark): void {
  const { name, description, rounds, parts } = benchmark;
  const command = cli.command(name);
  if (parts) command.addOption(command.createOption('--only <part>', 'measure one part').choices(parts));
  command
    .description(description)
    .option('--quick', `a first impression (${rounds.quick} rounds)`)
    .option('--rounds <n>', `how often each contender has its turn (default: ${rounds.full})`)
    .option('--out <directory>', 'where the result files go (default: bench/results; with --quick: nowhere)')
    .option('--assert', 'exit code 1 when a target is missed')
    .option('--allow-remote', 'measure on a database that is not on this machine')
    .option('--json', 'print the result as JSON')
    .action((flags: Flags) => runBenchmark(benchmark, flags));
}

/** Measures, writes the result files, and prints the result on stdout. */
export async function runBenchmark(benchmark: Benchmark, flags: Flags): Promise<void> {
  if (flags.json) beQuiet();
  const result = await withInterrupt((signal) => measure(benchmark, flags, signal));
  const out = flags.out ?? (flags.quick || flags.only ? undefined : join(repositoryRoot, 'bench', 'results'));
  if (out) for (const path of await writeResult(out, result)) say(`written: ${path}`);
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${showResult(result)}\n`);

  const [first, ...more] = missed(result);
  if (flags.assert && first) {
    throw new CommandError(
      `target missed: ${first.title}: ${first.check.what}${more.length > 0 ? `, and ${more.length} more` : ''}`,
      'run it again on an idle machine; then look for what changed',
    );
  }
}

async function measure(benchmark: Benchmark, flags: Flags, signal: AbortSignal): Promise<Result> {
  const { name } = benchmark;
  const quick = Boolean(flags.quick);
  const rounds = flags.rounds ? atLeastOne(flags.rounds) : benchmark.rounds[quick ? 'quick' : 'full'];
  const before = { date: new Date().toISOString(), commit: await commit(), machine: machine() };
  return withServer(
    async (server) => {
      say(`measuring on ${server.target.description}`);
      const measured = await benchmark.run({
        server,
        rounds,
        warmup: Math.min(rounds - 1, WARMUP),
        quick,
        only: flags.only,
        signal,
      });
      const { commit: checkedOut, ...rest } = before;
      return {
        benchmark: name,
        ...rest,
        ...(checkedOut && { commit: checkedOut }),
        options: { quick, rounds },
        postgres: await withConnection(server.target, postgres),
        ...measured,
      };
    },
    { signal, allowRemote: Boolean(flags.allowRemote) },
  );
}

/** Runs `task`; Ctrl-C aborts it, and is what is reported then, whatever broke because of it. */
async function withInterrupt<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    // Asked twice, it does not wait; the server ends with this process.
    if (interrupted.signal.aborted) process.exit(130);
    const exitCode = signal === 'SIGINT' ? 130 : 143;
    interrupted.abort(
      new CommandError('interrupted', 'nothing is left behind; start it again', { exitCode }),
    );
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await task(interrupted.signal);
  } catch (error) {
    interrupted.signal.throwIfAborted();
    throw error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new CommandError(`--rounds: ${text} is no whole number above 0`, 'pnpm bench --help', {
    exitCode: 2,
  });
}
