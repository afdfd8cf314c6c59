import { CommandError } from '@mobvibe/cli';
import type { CommentStmt, CreateFunctionStmt, CreatePolicyStmt, GrantStmt, RangeVar } from 'libpg-query';
import { firstParentheses, textAfter } from './sql-text.ts';
import { type Node, namesOf, statementsOf } from './statements.ts';

/** What a role may do with a table: the privilege, and the columns where it does not hold for all. */
export interface Privilege {
  name: string;
  columns: string[] | null;
}

export interface TableAccess {
  table: string;
  /** By role; a role that holds nothing is missing. */
  granted: Map<string, Privilege[]>;
}

export interface PolicyText {
  table: string;
  name: string;
  command: string;
  roles: string[];
  /** As the file writes it. */
  using: string | undefined;
  check: string | undefined;
}

export interface FunctionAccess {
  name: string;
  /** As the file writes them. */
  parameters: string;
  comment: string | undefined;
  securityDefiner: boolean;
  executableBy: string[];
}

/** Who may do what, as files of the SQL layer say it. */
export interface Access {
  tables: TableAccess[];
  policies: PolicyText[];
  functions: FunctionAccess[];
}

type Source = { path: string; sql: string };

/**
 * Reads who may do what from the grants, policies and functions of SQL files, in their order: a later revoke takes
 * back an earlier grant.
 * @throws CommandError when a file does not parse, or grants on more than objects that it names.
 */
export async function accessOf(files: Source[]): Promise<Access> {
  const tables = new Map<string, TableAccess>();
  const functions = new Map<string, FunctionAccess>();
  const policies: PolicyText[] = [];

  for (const file of files) {
    for (const { node, text } of await statementsOf(file)) {
      if ('CreatePolicyStmt' in node) policies.push(policyOf(node.CreatePolicyStmt, text));
      if ('CreateFunctionStmt' in node) {
        const read = functionOf(node.CreateFunctionStmt, text);
        functions.set(read.name, read);
      }
      if ('CommentStmt' in node) comment(functions, node.CommentStmt);
      if ('GrantStmt' in node) grant({ tables, functions }, node.GrantStmt, file);
    }
  }
  return { tables: [...tables.values()], policies, functions: [...functions.values()] };
}

function policyOf(policy: CreatePolicyStmt, text: string): PolicyText {
  const clause = (keyword: string) => firstParentheses(textAfter(keyword, text) ?? '');
  return {
    table: relationName(policy.table),
    name: policy.policy_name ?? '',
    command: policy.cmd_name ?? 'all',
    roles: rolesOf(policy.roles),
    using: policy.qual && clause('using'),
    check: policy.with_check && clause('check'),
  };
}

function functionOf(statement: CreateFunctionStmt, text: string): FunctionAccess {
  const securityDefiner = (statement.options ?? []).some(
    (option) =>
      'DefElem' in option &&
      option.DefElem.defname === 'security' &&
      option.DefElem.arg !== undefined &&
      'Boolean' in option.DefElem.arg &&
      option.DefElem.arg.Boolean.boolval === true,
  );
  return {
    name: namesOf(statement.funcname).join('.'),
    parameters: firstParentheses(text) ?? '',
    comment: undefined,
    securityDefiner,
    // Postgres lets everybody execute a new function.
    executableBy: ['public'],
  };
}

function comment(functions: Map<string, FunctionAccess>, statement: CommentStmt): void {
  if (!statement.object || !('ObjectWithArgs' in statement.object)) return;
  const found = functions.get(namesOf(statement.object.ObjectWithArgs.objname).join('.'));
  if (found) found.comment = statement.comment;
}

function grant(
  { tables, functions }: { tables: Map<string, TableAccess>; functions: Map<string, FunctionAccess> },
  statement: GrantStmt,
  file: Source,
): void {
  const roles = rolesOf(statement.grantees);
  if (statement.targtype === 'ACL_TARGET_ALL_IN_SCHEMA') {
    throw new CommandError(
      `${file.path} grants or revokes on all objects of a schema`,
      'name each object: what is granted must be visible in its own file',
    );
  }
  for (const object of statement.objects ?? []) {
    if (statement.objtype === 'OBJECT_TABLE' && 'RangeVar' in object) {
      const table = relationName(object.RangeVar);
      const access = tables.get(table) ?? { table, granted: new Map() };
      tables.set(table, access);
      for (const role of roles) {
        const left = changed(access.granted.get(role) ?? [], statement);
        if (left.length > 0) access.granted.set(role, left);
        else access.granted.delete(role);
      }
    }
    if (statement.objtype === 'OBJECT_FUNCTION' && 'ObjectWithArgs' in object) {
      const found = functions.get(namesOf(object.ObjectWithArgs.objname).join('.'));
      if (!found) continue;
      const others = found.executableBy.filter((role) => !roles.includes(role));
      found.executableBy = statement.is_grant ? [...others, ...roles] : others;
    }
  }
}

const allPrivileges = [
  'select',
  'insert',
  'update',
  'delete',
  'truncate',
  'references',
  'trigger',
  'maintain',
];

function changed(held: Privilege[], { is_grant: isGrant, privileges }: GrantStmt): Privilege[] {
  // No privilege named means all of them.
  const named = (privileges ?? []).flatMap((privilege) =>
    'AccessPriv' in privilege
      ? [{ name: privilege.AccessPriv.priv_name ?? '', columns: namesOf(privilege.AccessPriv.cols) }]
      : [],
  );
  const each = named.length > 0 ? named : allPrivileges.map((name) => ({ name, columns: [] }));
  return each.reduce<Privilege[]>((left, { name, columns }) => {
    const before = left.find((privilege) => privilege.name === name);
    const others = left.filter((privilege) => privilege.name !== name);
    // A revoke from the table takes the columns along; a revoke of columns takes nothing from the table.
    if (!isGrant && columns.length === 0) return others;
    if (!isGrant) {
      if (!before?.columns) return left;
      const rest = before.columns.filter((column) => !columns.includes(column));
      return rest.length > 0 ? [...others, { name, columns: rest }] : others;
    }
    if (columns.length === 0 || before?.columns === null) return [...others, { name, columns: null }];
    return [...others, { name, columns: [...new Set([...(before?.columns ?? []), ...columns])] }];
  }, held);
}

function rolesOf(nodes: Node[] = []): string[] {
  return nodes.flatMap((node) => ('RoleSpec' in node ? [node.RoleSpec.rolename ?? 'public'] : []));
}

const relationName = ({ schemaname, relname }: RangeVar = {}): string =>
  schemaname ? `${schemaname}.${relname}` : (relname ?? '');
