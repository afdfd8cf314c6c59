import { colors } from '@mobvibe/cli';
import type { PhoneEvent } from './followed.ts';

const WIDTH = 100;

/** One event as a line (a terminal's output as two), as a person would follow it on the phone. */
export function showEvent({ seq, type, payload }: PhoneEvent): string {
  const label = `  ${colors.dim(String(seq).padStart(3))} ${colors.cyan(type.padEnd(13))} `;
  const text = (value: unknown) => oneLine(String(value ?? ''));
  switch (type) {
    case 'terminal': {
      const output = text(payload.output);
      return `${label}$ ${text(payload.command)}${output ? `\n${' '.repeat(20)}${colors.dim(output)}` : ''}`;
    }
    case 'file_change':
      return `${label}${text(payload.change)} ${text(payload.path)} ${colors.green(`+${payload.added}`)} ${colors.red(`-${payload.removed}`)}`;
    case 'tool_use':
      return `${label}${text(payload.tool)}`;
    case 'completed':
      return `${label}${text(payload.summary)}`;
    default:
      return `${label}${text(payload.text ?? payload.message ?? payload.status ?? payload.url)}`;
  }
}

function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s*\n\s*/g, ' ⏎ ');
  return line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line;
}
