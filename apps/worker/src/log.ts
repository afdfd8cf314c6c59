import { colors, duration } from '@mobvibe/cli';
import pino from 'pino';

export type Log = pino.Logger;

/**
 * The worker's log, on stderr: JSON lines for machines, one short line each on a terminal. It names jobs, sessions
 * and codes, never prompts, payloads or people.
 */
export function createLog(options: { level?: string; terminal?: boolean } = {}): Log {
  const { level = 'info', terminal = Boolean(process.stderr.isTTY) } = options;
  // Without pid and host name: worker_id says which process it is.
  const base: pino.LoggerOptions = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return terminal
    ? pino(base, { write: writeForPerson })
    : pino(base, pino.destination({ dest: 2, sync: true }));
}

function writeForPerson(line: string): void {
  const { level, time, msg, duration_ms, ...rest } = JSON.parse(line);
  const details = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const took = duration_ms === undefined ? '' : ` ${duration(duration_ms)}`;
  const paint = level >= 50 ? colors.red : level >= 40 ? colors.yellow : (text: string) => text;
  process.stderr.write(
    `${colors.dim(time.slice(11, 19))} ${paint(msg)}${took} ${colors.dim(details.join(' '))}\n`,
  );
}
