/**
 * An error as the schema engine reports it: the CLI prints `code` and `message` the way it prints those of the
 * native engine.
 */
export class EngineError extends Error {
  /**
   * @param {string | undefined} code Prisma's error code, `P1001`
   * @param {string} message
   * @param {Record<string, unknown>} [meta]
   */
  constructor(code, message, meta = {}) {
    super(message);
    this.code = code;
    this.meta = meta;
  }
}

/**
 * Why no connection could be opened, in Prisma's codes and words.
 * @param {unknown} thrown
 * @param {import('./session.mjs').Address} address
 * @returns {EngineError}
 */
export function connectionError(thrown, { host, port, user, database }) {
  const error = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  const server = `${host}:${port}`;
  const { code = '', message = String(error) } = /** @type {{ code?: string, message?: string }} */ (
    error ?? {}
  );
  switch (code) {
    case '28P01':
      return new EngineError(
        'P1000',
        `Authentication failed against database server, the provided database credentials for \`${user}\` are not valid.\n\nPlease make sure to provide valid database credentials for the database server at the configured address.`,
        { database_user: user },
      );
    case '3D000':
      return new EngineError('P1003', `Database \`${database}\` does not exist`, { database_name: database });
    case '28000':
    case '42501':
      return new EngineError('P1010', `User was denied access on the database \`${database}\`: ${message}`, {
        database_user: user,
        database_name: database,
      });
    case '53300':
      return new EngineError('P2037', `Too many database connections opened: ${message}`);
  }
  if (/timeout/i.test(message) || code === 'ETIMEDOUT') {
    return new EngineError(
      'P1002',
      `The database server at \`${server}\` was reached but timed out.\n\nPlease try again.\n\nPlease make sure your database server is running at \`${server}\`.`,
      { database_location: server },
    );
  }
  if (
    /^(UNABLE_|CERT_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS|ERR_SSL|HOSTNAME_)/.test(code) ||
    /SSL|TLS/.test(message)
  ) {
    return new EngineError('P1011', `Error opening a TLS connection: ${message}`, { message });
  }
  // Everything with an SQLSTATE was said by the server, so it is there.
  if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E')) return new EngineError(undefined, message);
  return new EngineError(
    'P1001',
    `Can't reach database server at \`${server}\`\n\nPlease make sure your database server is running at \`${server}\`.`,
    { database_location: server },
  );
}

/**
 * The failure of one migration, with the lines of the script around the place the server points at.
 * @param {string} migration its name
 * @param {string} script
 * @param {Record<string, any>} error from pg
 */
export function migrationError(migration, script, error) {
  const code = error.code ?? 'none';
  const details = [`${error.severity ?? 'ERROR'}: ${error.message}`];
  if (error.detail) details.push(`DETAIL: ${error.detail}`);
  if (error.hint) details.push(`HINT: ${error.hint}`);
  if (error.where) details.push(`CONTEXT: ${error.where}`);
  const text = details.join('\n') + excerpt(script, Number(error.position));
  return new EngineError(
    'P3018',
    `A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\nMigration name: ${migration}\n\nDatabase error code: ${code}\n\nDatabase error:\n${text}`,
    { migration_name: migration, database_error_code: code, database_error: text },
  );
}

/** @param {string} script @param {number} position of a character, from 1 */
function excerpt(script, position) {
  if (!position) return '';
  const line = script.slice(0, position - 1).split('\n').length;
  const lines = script.split('\n').slice(Math.max(0, line - 6), line);
  const first = line - lines.length + 1;
  return `\n\nPosition:\n${lines.map((text, i) => `${String(first + i).padStart(3)} ${text}`).join('\n')}`;
}
