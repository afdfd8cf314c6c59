import type { Command } from 'commander';
import { type Overview, readOverview } from '../queue/overview.ts';
import { time } from '../watch/units.ts';
import { draw, refuseWatching, watch } from './draw.ts';
import { onQueue, printJson, type QueueFlags } from './on-queue.ts';

interface StatusOptions extends QueueFlags {
  watch?: boolean;
}

export function addStatus(cli: Command): void {
  cli
    .command('status')
    .description('the queue, its workers and the active sessions')
    .option('--watch', 'on a terminal: draw it again each second, until Ctrl-C')
    .option('--json', 'print it as JSON')
    .action(async (options: StatusOptions) => {
      refuseWatching(options);
      await onQueue(options, undefined, async (_, pool) => {
        if (options.watch) return watch(async () => drawOverview(await readOverview(pool)));
        const overview = await readOverview(pool);
        if (options.json) printJson(overview);
        else process.stdout.write(`${drawOverview(overview)}\n`);
      });
    });
}

/** The overview as tables. */
function drawOverview({ queue, workers, sessions }: Overview): string {
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
