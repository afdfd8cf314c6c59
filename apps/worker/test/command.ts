import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { program } from '../../../test/harness/program.ts';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `pnpm worker …` in a process of its own. */
export function startCommand(
  args: string[],
  environment: Record<string, string>,
): ChildProcess & { ended: Promise<Ended> } {
  const child = spawn(process.execPath, [...program('src/cli.ts'), ...args], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ANTHROPIC_API_KEY: '',
      FLY_API_TOKEN: '',
      FLY_APP_NAME: '',
      NO_COLOR: '1',
      ...environment,
    },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return Object.assign(child, {
    ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })),
  });
}
