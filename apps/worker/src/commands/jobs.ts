import { CommandError } from '@mobvibe/cli';
import { z } from 'zod';
import type { JobChange } from '../queue/operations.ts';
import { printJson, type QueueFlags } from './on-queue.ts';

/**
 * The ids of jobs as a person typed them.
 * @throws CommandError when one is none.
 */
export function jobIds(texts: string[]): string[] {
  const wrong = texts.find((text) => !z.guid().safeParse(text).success);
  if (wrong === undefined) return [...new Set(texts.map((text) => text.toLowerCase()))];
  throw new CommandError(`"${wrong}" is no id of a job`, 'pnpm worker status shows ids', { exitCode: 2 });
}

/** Says what became of jobs. Exit code 1 when one that was asked for was left as it is. */
export function reportChanges(asked: string[], changed: JobChange[], why: string, flags: QueueFlags): void {
  const done = new Set(changed.map(({ id }) => id));
  const skipped = asked.filter((id) => !done.has(id));
  if (flags.json) printJson({ changed, skipped });
  else {
    for (const { id, status } of changed) process.stdout.write(`${id} ${status}\n`);
    for (const id of skipped) process.stdout.write(`${id} left as it is: ${why}\n`);
  }
  if (skipped.length > 0) process.exitCode = 1;
}
