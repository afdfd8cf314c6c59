import { CommandError } from '@mobvibe/cli';
import type { SqlFile } from './files.ts';
import { type Node, statementsOf } from './statements.ts';

/** What a file of the SQL layer can declare; the same words as in queries/catalog.sql. */
export type Kind = 'function' | 'trigger' | 'policy' | 'grants' | 'role';

/** `identity` reads as in SQL: `public.projects`, `"Users read …" on public.projects`, `schema private`. */
export interface Declaration {
  kind: Kind;
  identity: string;
}

// The parts of Postgres' parse tree that declarations are read from.
interface Name {
  String: { sval: string };
}
interface Relation {
  schemaname?: string;
  relname: string;
}
interface Statement {
  CreateFunctionStmt?: { funcname: Name[] };
  CreateTrigStmt?: { trigname: string; relation: Relation };
  CreatePolicyStmt?: { policy_name: string; table: Relation };
  AlterRoleStmt?: { role: { rolename: string } };
  GrantStmt?: { objtype: string; objects?: { RangeVar?: Relation; String?: { sval: string } }[] };
}

/**
 * What a file declares, read from its parse tree.
 * @throws CommandError when the file does not parse, or names a table without its schema.
 */
export async function declarationsOf(file: SqlFile): Promise<Declaration[]> {
  const found = new Map<string, Declaration>();
  for (const { node } of await statementsOf(file)) {
    for (const declaration of declarationsOfStatement(node, file)) {
      found.set(`${declaration.kind} ${declaration.identity}`, declaration);
    }
  }
  return [...found.values()];
}

/** What one statement declares. */
export function declarationsOfStatement(node: Node, file: SqlFile): Declaration[] {
  const statement = node as Statement;
  const relation = (of: Relation): string => {
    if (of.schemaname) return `${quote(of.schemaname)}.${quote(of.relname)}`;
    throw new CommandError(
      `${file.path} names ${of.relname} without its schema`,
      `write public.${of.relname}`,
    );
  };
  if (statement.CreateFunctionStmt) {
    const names = statement.CreateFunctionStmt.funcname.map((name) => quote(name.String.sval));
    return [{ kind: 'function', identity: names.join('.') }];
  }
  if (statement.CreateTrigStmt) {
    const { trigname, relation: table } = statement.CreateTrigStmt;
    return [{ kind: 'trigger', identity: `${quote(trigname)} on ${relation(table)}` }];
  }
  if (statement.CreatePolicyStmt) {
    const { policy_name, table } = statement.CreatePolicyStmt;
    return [{ kind: 'policy', identity: `${quote(policy_name)} on ${relation(table)}` }];
  }
  if (statement.AlterRoleStmt) {
    return [{ kind: 'role', identity: quote(statement.AlterRoleStmt.role.rolename) }];
  }
  const grant = statement.GrantStmt;
  if (grant?.objtype === 'OBJECT_TABLE') {
    return (grant.objects ?? []).flatMap(({ RangeVar }) =>
      RangeVar ? [{ kind: 'grants' as const, identity: relation(RangeVar) }] : [],
    );
  }
  if (grant?.objtype === 'OBJECT_SCHEMA') {
    return (grant.objects ?? []).flatMap(({ String: name }) =>
      name ? [{ kind: 'grants' as const, identity: `schema ${quote(name.sval)}` }] : [],
    );
  }
  return [];
}

/** As Postgres' quote_ident for the names in use here; a reserved word as a name would need quotes as well. */
export function quote(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
