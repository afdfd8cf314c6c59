import { errorCode, oneLine } from '@mobvibe/cli';

const CODES =
  /^(08...|57P0[1235]|53300|ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/;

// pg gives these no code.
const MESSAGES =
  /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client (was closed|has encountered a connection error) and is not queryable)/;

/**
 * True for an error of the connection, not of the statement: the server is gone, restarting, full or silent. Trying
 * again may help, and whether the statement took effect is not known.
 */
export const isConnectionLost = (error: unknown) =>
  CODES.test(errorCode(error) ?? '') || MESSAGES.test(oneLine(error));
