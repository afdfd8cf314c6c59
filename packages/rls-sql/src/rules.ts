import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClientBase } from 'pg';

/** The folder of the rules: one a file, whose header comment is its documentation. */
export const rulesDirectory = fileURLToPath(new URL('../rules', import.meta.url));

/** A breach of a rule. A fix that ends with a semicolon is SQL. */
export interface Breach {
  /** The name of the rule's file, without `.sql`. */
  rule: string;
  object: string;
  problem: string;
  fix: string;
}

/** The names of the rules. */
export const ruleNames = (): string[] =>
  readdirSync(rulesDirectory)
    .filter((name) => name.endsWith('.sql'))
    .map((name) => basename(name, '.sql'))
    .sort();

/**
 * Holds the rules of the house against whatever is in the database, in one round trip.
 * @param declared the keys of what files declare, which some of the rules ask for
 */
export async function brokenRules(client: ClientBase, declared: string[]): Promise<Breach[]> {
  const each = ruleNames().map((rule) => {
    const sql = readFileSync(join(rulesDirectory, `${rule}.sql`), 'utf8');
    return `select '${rule}' as rule, broken.object, broken.problem, broken.fix from (\n${sql}\n) as broken`;
  });
  // A table without its file comes first: writing the file puts most else right.
  const { rows } = await client.query<Breach>(
    `select * from (\n${each.join('\nunion all\n')}\n) as broken\norder by rule <> 'undeclared_table', rule, object, problem`,
    [declared],
  );
  return rows;
}
