import { errorCode } from '@mobvibe/cli';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isUnreachable, isUnstorable } from '../database.ts';

const API_VERSION = '2024-01-01';

/** An answer of GoTrue that is no success: `code` is what programs tell it by. */
export class AuthError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly details: object;

  constructor(
    status: ContentfulStatusCode,
    code: string,
    message: string,
    { details = {}, cause }: { details?: object; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = 'AuthError';
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

const isAuthError = (error: unknown): error is AuthError => error instanceof AuthError;

export const isDuplicate = (error: unknown): boolean => errorCode(error) === '23505';

/** An error as GoTrue answers it: in the form of 2024-01-01 to clients that name it, in the older one to others. */
export function respondWithError(c: Context, error: unknown, log: (line: string) => void): Response {
  const { status, code, message, details, cause } = isAuthError(error) ? error : unforeseen(error);
  // Messages of the database may quote what a person wrote: the SQLSTATE must do.
  if (status >= 500) log(`auth: ${message} (${errorCode(cause) ?? (cause as Error)?.name})`);
  if (c.req.header('x-supabase-api-version') !== API_VERSION) {
    return c.json({ code: status, error_code: code, msg: message, ...details }, status);
  }
  c.header('x-supabase-api-version', API_VERSION);
  return c.json({ code, message, ...details }, status);
}

function unforeseen(cause: unknown): AuthError {
  // No 5xx, which a client would try again.
  if (isUnstorable(cause)) return new AuthError(400, 'validation_failed', 'A text must not contain NUL');
  return isUnreachable(cause)
    ? new AuthError(503, 'unexpected_failure', 'The database cannot be reached', { cause })
    : new AuthError(500, 'unexpected_failure', 'Unexpected failure, please check the log', { cause });
}
