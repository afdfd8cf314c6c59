import { CommandError, oneLine } from '@mobvibe/cli';
import { loadModule, type Node, type ParseResult, parseSync } from 'libpg-query';

export type { Node } from 'libpg-query';

/** A statement of an SQL file: Postgres' parse tree of it, and its text. */
export interface Statement {
  node: Node;
  text: string;
}

/**
 * The statements of a file, read by Postgres' own parser (libpg_query), so that a name in a comment or a string
 * is never mistaken for an object.
 * @throws CommandError when the file does not parse.
 */
export async function statementsOf({ path, sql }: { path: string; sql: string }): Promise<Statement[]> {
  await loadModule();
  // Postgres counts in bytes.
  const bytes = Buffer.from(sql);
  return parse(path, sql).flatMap(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
    const end = length ? start + length : undefined;
    return stmt ? [{ node: stmt, text: bytes.subarray(start, end).toString().trim() }] : [];
  });
}

function parse(path: string, sql: string): NonNullable<ParseResult['stmts']> {
  try {
    return (parseSync(sql) as ParseResult).stmts ?? [];
  } catch (error) {
    throw new CommandError(`${path} is not valid SQL: ${oneLine(error)}`, 'correct the file');
  }
}

/** The names in a list of the parse tree: `private.claim_jobs` is two. */
export const namesOf = (nodes: Node[] = []): string[] =>
  nodes.flatMap((node) => ('String' in node && node.String.sval ? [node.String.sval] : []));
