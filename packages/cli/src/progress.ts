import { colors } from './colors.ts';

export interface Step {
  /** Replaces the text behind the label while the step runs. */
  update(detail: string): void;
}

let quiet = false;

/** Silences `step` and `say`, for commands that print JSON. */
export function beQuiet(): void {
  quiet = true;
}

/** One line to a person, on stderr, so that stdout stays free for results. */
export function say(line: string): void {
  if (!quiet) process.stderr.write(`${line}\n`);
}

/**
 * Runs `task` under a label: a spinner on a terminal, one plain line when it ends elsewhere, with the time it
 * took. What `task` returns as a string is shown behind the label.
 */
export async function step<T>(label: string, task: (step: Step) => Promise<T>): Promise<T> {
  const started = performance.now();
  const tty = Boolean(process.stderr.isTTY) && !quiet;
  // Loaded where it is seen: elsewhere it only costs time.
  const spinner = tty
    ? (await import('ora')).default({ text: label, discardStdin: false, stream: process.stderr }).start()
    : undefined;
  const line = (mark: string, detail: string) => {
    const text = `${label}${detail} ${colors.dim(duration(performance.now() - started))}`;
    if (spinner) spinner.stopAndPersist({ symbol: mark, text });
    else say(`${mark} ${text}`);
  };
  try {
    const result = await task({
      update: (detail) => {
        if (spinner) spinner.text = `${label}: ${detail}`;
        else say(`  ${label}: ${detail}`);
      },
    });
    line(colors.green('✓'), typeof result === 'string' ? `: ${result}` : '');
    return result;
  } catch (error) {
    line(colors.red('✗'), '');
    throw error;
  }
}

/** Milliseconds for a person: `840 ms`, `3.2 s`. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
