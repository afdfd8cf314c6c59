import type { ServerResponse } from 'node:http';

const STATUS = {
  invalid_request_error: 400,
  authentication_error: 401,
  not_found_error: 404,
  request_too_large: 413,
  api_error: 500,
  overloaded_error: 529,
} as const;

export type ApiErrorType = keyof typeof STATUS;

/** Answers with an error in the shape of the Messages API. */
export function sendApiError(response: ServerResponse, type: ApiErrorType, message: string): void {
  const requestId = response.getHeader('request-id') ?? null;
  response.writeHead(STATUS[type], { 'content-type': 'application/json' });
  response.end(JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId }));
}
