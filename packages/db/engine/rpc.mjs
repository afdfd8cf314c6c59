import { createInterface } from 'node:readline';
import { panic } from './panic.mjs';

/**
 * @typedef {import('./errors.mjs').EngineError} EngineError
 * @typedef {(content: string) => Promise<unknown>} Print makes the CLI print text on its own stdout
 * @typedef {(params: any, print: Print) => Promise<unknown>} Method
 */

const METHOD_NOT_FOUND = -32601;
const USER_FACING_ERROR = 4466;

/**
 * One line of the engine's log, in the form the CLI reads from stderr.
 * @param {'INFO' | 'ERROR'} level
 * @param {Record<string, unknown>} fields
 */
export function log(level, fields) {
  const line = { timestamp: new Date().toISOString(), level, fields, target: 'schema_engine::logger' };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

/**
 * Answers JSON-RPC requests, one a line, one after the other, until stdin is closed. Returns a function that fails
 * the request under way.
 * @param {Record<string, Method>} methods
 * @param {(error: unknown) => EngineError} toEngineError
 * @param {() => void} onEnd
 * @returns {(error: unknown) => void}
 */
export function serve(methods, toEngineError, onEnd) {
  let nextId = 1;
  /** @type {Map<number, (result: unknown) => void>} */
  const waiting = new Map();
  let queue = Promise.resolve();

  const send = (/** @type {object} */ message) =>
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

  /** @type {Print} */
  const print = (content) =>
    new Promise((resolve) => {
      const id = nextId++;
      waiting.set(id, resolve);
      send({ id, method: 'print', params: { content } });
    });

  /** @type {number | undefined} */
  let current;

  /** @param {number} id @param {unknown} error */
  const sendError = (id, error) => {
    const failed = {
      code: USER_FACING_ERROR,
      message: 'An error happened. Check the data field for details.',
    };
    if (error instanceof Error && error.name === 'RuntimeError') {
      const data = { is_panic: true, message: panic.message, backtrace: error.stack };
      return send({ id, error: { ...failed, message: panic.message, data } });
    }
    const { code, message, meta } = toEngineError(error);
    send({ id, error: { ...failed, data: { is_panic: false, message, meta, error_code: code ?? null } } });
  };

  /** @param {{ id: number, method: string, params: unknown }} request */
  const answer = async ({ id, method, params }) => {
    current = id;
    const handler = methods[method];
    if (!handler)
      return send({ id, error: { code: METHOD_NOT_FOUND, message: `Method not found: ${method}` } });
    try {
      send({ id, result: (await handler(params, print)) ?? null });
    } catch (error) {
      sendError(id, error);
    }
    current = undefined;
  };

  createInterface({ input: process.stdin })
    .on('line', (line) => {
      if (!line.trim()) return;
      const message = JSON.parse(line);
      if (message.method) {
        queue = queue.then(async () => {
          await answer(message);
        });
      } else {
        waiting.get(message.id)?.(message.result);
        waiting.delete(message.id);
      }
    })
    .on('close', onEnd);

  return (/** @type {unknown} */ error) => {
    if (current !== undefined) sendError(current, error);
  };
}
