import { errorCode } from '@mobvibe/cli';
import type { Context } from 'hono';
import { isUnreachable, isUnstorable } from '../database.ts';
import { isTokenError } from '../tokens.ts';

/** An answer of the Storage API that is no success. Its HTTP status is 400 (500 stays 500); `statusCode` says more. */
export class StorageError extends Error {
  readonly statusCode: number;
  readonly error: string;

  constructor(statusCode: number, error: string, message: string) {
    super(message);
    this.name = 'StorageError';
    this.statusCode = statusCode;
    this.error = error;
  }
}

export const isStorageError = (error: unknown): error is StorageError => error instanceof StorageError;

export const noSuchKey = () => new StorageError(404, 'not_found', 'Object not found');
export const noSuchBucket = () => new StorageError(404, 'Bucket not found', 'Bucket not found');
export const invalidKey = (key: string) => new StorageError(400, 'InvalidKey', `Invalid key: ${key}`);
export const invalidRequest = (message: string) => new StorageError(400, 'InvalidRequest', message);
export const accessDenied = (message: string) => new StorageError(403, 'Unauthorized', message);
export const tooLarge = () =>
  new StorageError(413, 'Payload too large', 'The object exceeded the maximum allowed size');

/** An error as the Storage API answers it. */
export function respondWithError(c: Context, thrown: unknown, log: (line: string) => void): Response {
  const { statusCode, error, message } = known(thrown, log);
  return c.json({ statusCode: String(statusCode), error, message }, statusCode >= 500 ? 500 : 400);
}

function known(error: unknown, log: (line: string) => void): StorageError {
  if (isStorageError(error)) return error;
  if (isTokenError(error)) return accessDenied(error.message);
  switch (errorCode(error)) {
    case '42501':
      return accessDenied('new row violates row-level security policy');
    case '23505':
      return new StorageError(409, 'Duplicate', 'The resource already exists');
    case '23503':
      return new StorageError(404, 'InvalidRequest', 'The related resource does not exist');
    case '57014':
    case '55P03':
      return new StorageError(544, 'DatabaseTimeout', 'The connection to the database timed out');
  }
  if (isUnstorable(error)) return invalidRequest('a text must not contain NUL');
  if (isUnreachable(error)) return new StorageError(503, 'DatabaseError', 'the database cannot be reached');
  log(`storage: unexpected failure (${errorCode(error) ?? (error as Error)?.name})`);
  return new StorageError(500, 'InternalError', 'Internal server error');
}
