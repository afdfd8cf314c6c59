#!/usr/bin/env node
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beQuiet, CommandError, program, repositoryRoot, runCommand, say } from '@mobvibe/cli';
import { type Report, runChaos } from './run.ts';
import { showReport, showViolations } from './show.ts';

interface Flags {
  jobs: string;
  kills: string;
  restarts: string;
  workers: string;
  seed?: string;
  json?: true;
}

const chaos = program(
  'chaos',
  'Runs workers on jobs while everything breaks, and looks for what must never be',
)
  .option('--jobs <n>', 'enqueued by users while it lasts', '5000')
  .option('--kills <n>', 'workers killed; the other faults come in proportion', '30')
  .option('--restarts <n>', 'of the server: a crash, an orderly one, a crash of one backend, …', '3')
  .option('--workers <n>', 'processes at a time', '4')
  .option('--seed <n>', 'the jobs and faults of an earlier run again (default: another one each time)')
  .option('--json', 'print the report as JSON')
  .action(run);
await runCommand(chaos);

async function run(flags: Flags): Promise<void> {
  if (flags.json) beQuiet();
  const dose = {
    jobs: whole('jobs', flags.jobs, 1),
    kills: whole('kills', flags.kills, 0),
    restarts: whole('restarts', flags.restarts, 0),
    workers: whole('workers', flags.workers, 1),
    seed: flags.seed === undefined ? Math.floor(Math.random() * 1_000_000) : whole('seed', flags.seed, 0),
  };
  say(`seed ${dose.seed}`);
  const report = await withInterrupt((signal) => runChaos({ ...dose, signal, onProgress: say }));
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${showReport(report)}\n`);
  if (report.violations.length === 0) return;
  for (const line of showViolations(report)) say(line);
  const kept = await keep(report);
  throw new CommandError(
    `${report.violations.length} violations, with seed ${dose.seed}`,
    `read ${kept}: what happened to each of those jobs`,
  );
}

async function keep(report: Report): Promise<string> {
  const directory = join(repositoryRoot, '.local', 'chaos');
  await mkdir(directory, { recursive: true });
  const path = join(directory, `seed-${report.dose.seed}.json`);
  await writeFile(path, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  return path;
}

/** Runs `task`; a signal ends it, and everything that it started, and is what is reported then. */
async function withInterrupt<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    const exitCode = signal === 'SIGINT' ? 130 : 143;
    const fix = 'nothing is left behind; start it again';
    interrupted.abort(new CommandError('interrupted', fix, { exitCode }));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await task(interrupted.signal);
  } catch (error) {
    interrupted.signal.throwIfAborted();
    throw error;
  }
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new CommandError(`--${name}: ${text} is no whole number from ${least} up`, 'pnpm chaos --help', {
    exitCode: 2,
  });
}
