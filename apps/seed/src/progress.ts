import type { Step } from '@mobvibe/cli';
import { duration } from '@mobvibe/cli';
import type { Progress } from './database/bulk/write.ts';

const WIDTH = 24;
/** How often a line may appear where lines stay, and where one line is painted over. */
const [PLAIN_MS, TTY_MS] = [5_000, 100];

/** Shows how far a seed has come: a bar on a terminal, a line now and then elsewhere. */
export function progressOn(step: Step): (progress: Progress) => void {
  const started = performance.now();
  let sayNext = started + (process.stderr.isTTY ? TTY_MS : PLAIN_MS);
  return (progress) => {
    const now = performance.now();
    if (now < sayNext) return;
    sayNext = now + (process.stderr.isTTY ? TTY_MS : PLAIN_MS);
    step.update(line(progress, now - started));
  };
}

function line({ done, total, of }: Progress, elapsed: number): string {
  const part = total > 0 ? done / total : 1;
  const filled = Math.round(WIDTH * part);
  const bar = process.stderr.isTTY ? `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ` : '';
  const left = part > 0 ? `, about ${duration((elapsed * (1 - part)) / part)} left` : '';
  return `${bar}${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${of}${left}`;
}
