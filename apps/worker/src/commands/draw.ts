import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, colors } from '@mobvibe/cli';
import Table from 'cli-table3';

const REDRAW_MS = 1_000;

const EDGES = ['top', 'bottom', 'left', 'right', 'mid'].flatMap((edge) =>
  edge === 'mid' ? [edge] : [edge, `${edge}-mid`],
);
// Columns and nothing else: what reads it there has no use for lines.
const PLAIN = Object.fromEntries([
  ...['top-left', 'top-right', 'bottom-left', 'bottom-right', 'mid-mid', ...EDGES].map((name) => [name, '']),
  ['middle', '  '],
]);

/** A table; where stdout is no terminal, one without lines. */
export function draw(head: string[], rows: (string | number)[][]): string {
  const isTerminal = Boolean(process.stdout.isTTY);
  const table = new Table({
    head: head.map(colors.bold),
    style: {
      head: [],
      border: [],
      compact: true,
      ...(!isTerminal && { 'padding-left': 0, 'padding-right': 0 }),
    },
    ...(!isTerminal && { chars: PLAIN }),
  });
  table.push(...(rows.length > 0 ? rows : [[{ colSpan: head.length, content: colors.dim('none') }]]));
  return isTerminal ? table.toString() : table.toString().replaceAll(/ +$/gm, '');
}

/**
 * Refuses to draw again and again where nobody could see it.
 * @throws CommandError unless stdout is a terminal and JSON was not asked for.
 */
export function refuseWatching({ watch, json }: { watch?: boolean; json?: boolean }): void {
  if (!watch || (process.stdout.isTTY && !json)) return;
  throw new CommandError('--watch draws on a terminal only', 'leave --watch out', { exitCode: 2 });
}

/** Draws again each second, until SIGINT or SIGTERM. */
export async function watch(drawing: () => Promise<string>): Promise<void> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort()).once('SIGTERM', () => interrupted.abort());
  while (!interrupted.signal.aborted) {
    const text = await drawing();
    // Home, each line cleared to its end, and what an earlier drawing left below.
    process.stdout.write(`\x1b[H${text.replaceAll('\n', '\x1b[K\n')}\x1b[K\n\x1b[J`);
    await sleep(REDRAW_MS, undefined, { signal: interrupted.signal }).catch(() => {});
  }
}
