/** An error a person can act on: `message` says what is wrong, `fix` what to do about it; one line each. */
export class CommandError extends Error {
  readonly fix: string;
  readonly exitCode: number;

  constructor(message: string, fix: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'CommandError';
    this.fix = fix;
    this.exitCode = options.exitCode ?? 1;
  }
}

export const isCommandError = (error: unknown): error is CommandError => error instanceof CommandError;

/** The five-character SQLSTATE or the system error code (`ECONNREFUSED`) that an error carries. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as Error & { code?: unknown };
  if (typeof code === 'string') return code;
  // Node's happy-eyeballs wraps one error for every address it tried.
  return error instanceof AggregateError ? errorCode(error.errors[0]) : undefined;
}

/** The first line of an error's message, whatever was thrown. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message || errorCode(error) || error.name : String(error);
  return text.trim().split('\n', 1)[0] ?? '';
}
