import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, colors } from '@mobvibe/cli';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { type Overview, readOverview } from '../queue/overview.ts';
import { onQueue, printJson, type QueueFlags } from './on-queue.ts';

interface StatusOptions extends QueueFlags {
  watch?: boolean;
}

const REDRAW_MS = 1_000;

export function addStatus(cli: Command): void {
  cli
    .command('status')
    .description('the queue, its workers and the active sessions')
    .option('--watch', 'on a terminal: draw it again each second, until Ctrl-C')
    .option('--json', 'print it as JSON')
    .action(async (options: StatusOptions) => {
      if (options.watch && (options.json || !process.stdout.isTTY)) {
        throw new CommandError('--watch draws on a terminal only', 'leave --watch out', { exitCode: 2 });
      }
      await onQueue(options, undefined, async (_, pool) => {
        if (options.watch) return watch(() => readOverview(pool));
        const overview = await readOverview(pool);
        if (options.json) printJson(overview);
        else process.stdout.write(`${drawOverview(overview)}\n`);
      });
    });
}

async function watch(read: () => Promise<Overview>): Promise<void> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort()).once('SIGTERM', () => interrupted.abort());
  while (!interrupted.signal.aborted) {
    const drawing = drawOverview(await read());
    // Home, each line cleared to its end, and what an earlier drawing left below.
    process.stdout.write(`\x1b[H${drawing.replaceAll('\n', '\x1b[K\n')}\x1b[K\n\x1b[J`);
    await sleep(REDRAW_MS, undefined, { signal: interrupted.signal }).catch(() => {});
  }
}

/** The overview as tables. */
export function drawOverview({ queue, workers, sessions }: Overview): string {
  const drawings = [
    draw(
      ['due', 'delayed', 'processing', 'failed (1 h)', 'oldest due', 'sessions', 'workers', 'idle'],
      [
        [
          ...[queue.due, queue.delayed, queue.processing, queue.failed_last_hour],
          queue.due > 0 ? time(queue.oldest_due_seconds) : '–',
          ...[queue.active_sessions, queue.live_workers, queue.idle_workers],
        ],
      ],
    ),
    draw(
      ['worker', 'state', 'jobs', 'host', 'pid', 'version', 'up', 'seen'],
      workers.map((row) => [
        ...[row.id, row.state, row.jobs, row.hostname, row.pid, row.version],
        ...[time(row.up), `${time(row.last_seen)} ago`],
      ]),
    ),
    draw(
      ['session', 'running', 'waiting', 'events', 'quiet for', 'expires in'],
      sessions.map((row) => [
        ...[row.id, row.processing, row.pending, row.events],
        ...[time(row.quiet), time(row.expires)],
      ]),
    ),
  ];
  return drawings.join('\n');
}

function draw(head: string[], rows: (string | number)[][]): string {
  const table = new Table({ head: head.map(colors.bold), style: { head: [], border: [], compact: true } });
  table.push(...(rows.length > 0 ? rows : [[{ colSpan: head.length, content: colors.dim('none') }]]));
  return table.toString();
}

/** Seconds for a person: `42 s`, `3 min`, `5 h`, `2 d`. */
function time(seconds: number | null): string {
  const value = Math.max(seconds ?? 0, 0);
  if (value < 100) return `${Math.round(value)} s`;
  if (value < 6_000) return `${Math.round(value / 60)} min`;
  return value < 172_800 ? `${Math.round(value / 3_600)} h` : `${Math.round(value / 86_400)} d`;
}
