import type { ClientBase } from 'pg';
import { type Declaration, declarationsOfStatement, quote } from './declarations.ts';
import type { SqlFile } from './files.ts';
import type { LedgerObject } from './ledger.ts';
import { type Node, namesOf, type Statement, statementsOf } from './statements.ts';

/** A file cut into statements, each with the objects it is about. */
export interface RepairableFile {
  path: string;
  statements: { text: string; about: Declaration[]; node: Node }[];
}

export async function repairableFiles(files: SqlFile[]): Promise<RepairableFile[]> {
  return Promise.all(
    files.map(async (file) => ({
      path: file.path,
      statements: (await statementsOf(file)).map((statement) => ({
        text: withoutComments(statement.text),
        about: aboutOf(statement, file),
        node: statement.node,
      })),
    })),
  );
}

/**
 * The statements that make an object what its file says.
 * @param now its definition in the catalog; undefined where it is gone
 */
export async function repairOf(
  client: ClientBase,
  object: LedgerObject,
  now: string | undefined,
  file: RepairableFile,
): Promise<string[]> {
  const own = file.statements.filter(({ about }) =>
    about.some(({ kind, identity }) => kind === object.kind && identity === object.identity),
  );
  const statements = own.map(({ text }) => text);
  // A file of a role is about nothing else, and makes the role in a block.
  if (object.kind === 'role') {
    return [...file.statements.map(({ text }) => text), ...foreignSettings(object, now)];
  }
  if (object.kind === 'function') {
    return [
      ...(await foreignVersions(client, object)),
      ...statements,
      ...(await foreignExecutors(client, object, now, namedRoles(own))),
    ];
  }
  if (object.kind === 'grants') return [...statements, ...rest(object, now, namedRoles(own))];
  return statements;
}

function aboutOf({ node }: Statement, file: SqlFile): Declaration[] {
  const declared = declarationsOfStatement(node, file);
  if (declared.length > 0) return declared;
  if ('DropStmt' in node)
    return (node.DropStmt.objects ?? []).flatMap((name) => named(node.DropStmt.removeType, name));
  if ('CommentStmt' in node && node.CommentStmt.object)
    return named(node.CommentStmt.objtype, node.CommentStmt.object);
  if ('GrantStmt' in node && node.GrantStmt.objtype === 'OBJECT_FUNCTION') {
    return (node.GrantStmt.objects ?? []).flatMap((name) => named('OBJECT_FUNCTION', name));
  }
  if ('AlterTableStmt' in node) {
    const { schemaname = '', relname = '' } = node.AlterTableStmt.relation ?? {};
    return [{ kind: 'grants', identity: `${quote(schemaname)}.${quote(relname)}` }];
  }
  return [];
}

function named(type: string | undefined, name: Node): Declaration[] {
  if (type === 'OBJECT_FUNCTION' && 'ObjectWithArgs' in name) {
    return [{ kind: 'function', identity: namesOf(name.ObjectWithArgs.objname).map(quote).join('.') }];
  }
  if ((type === 'OBJECT_POLICY' || type === 'OBJECT_TRIGGER') && 'List' in name) {
    const [schema = '', table = '', own = ''] = namesOf(name.List.items).map(quote);
    return [
      { kind: type === 'OBJECT_POLICY' ? 'policy' : 'trigger', identity: `${own} on ${schema}.${table}` },
    ];
  }
  return [];
}

/** The roles whose rights the statements of a file settle: those that its revoke names. */
function namedRoles(statements: RepairableFile['statements']): Set<string> {
  const roles = statements.flatMap(({ node }) =>
    'GrantStmt' in node && !node.GrantStmt.is_grant ? (node.GrantStmt.grantees ?? []) : [],
  );
  return new Set(roles.flatMap((role) => ('RoleSpec' in role ? [role.RoleSpec.rolename ?? 'public'] : [])));
}

// What the file does not settle of a table or schema: roles that its revoke does not name, and row-level security.
function rest(object: LedgerObject, now: string | undefined, settled: Set<string>): string[] {
  const on = object.identity.startsWith('schema ') ? object.identity : `table ${object.identity}`;
  const { added, missing } = changedLines(object.definition, now);
  return [
    ...([...missing, ...added].some((line) => line.startsWith('row level security'))
      ? [
          `alter ${on} ${object.definition.includes('row level security on') ? 'enable' : 'disable'} row level security`,
        ]
      : []),
    ...(added.includes('forced') ? [`alter ${on} no force row level security`] : []),
    ...(missing.includes('forced') ? [`alter ${on} force row level security`] : []),
    ...grantsOf(added, settled).map(
      ({ privilege, role }) => `revoke ${privilege} on ${on} from ${role} cascade`,
    ),
    ...grantsOf(missing, settled).map(
      ({ privilege, role, option }) => `grant ${privilege} on ${on} to ${role}${option}`,
    ),
  ];
}

async function foreignExecutors(
  client: ClientBase,
  object: LedgerObject,
  now: string | undefined,
  settled: Set<string>,
): Promise<string[]> {
  const foreign = grantsOf(changedLines(object.definition, now).added, settled);
  if (foreign.length === 0) return [];
  const signatures = (await versionsOf(client, object)).filter(({ head }) =>
    object.definition.includes(head),
  );
  return signatures.flatMap(({ signature }) =>
    foreign.map(({ role }) => `revoke all on function ${signature} from ${role} cascade`),
  );
}

// `create or replace` leaves other signatures in place, and refuses another return type.
async function foreignVersions(client: ClientBase, object: LedgerObject): Promise<string[]> {
  return (await versionsOf(client, object))
    .filter(({ head }) => !object.definition.includes(head))
    .map(({ signature }) => `drop function ${signature}`);
}

async function versionsOf(
  client: ClientBase,
  { identity }: Declaration,
): Promise<{ signature: string; head: string }[]> {
  const { rows } = await client.query<{ signature: string; head: string }>(
    `select format('%s(%s)', $1::text, oidvectortypes(p.proargtypes)) as signature,
       substring(pg_get_functiondef(p.oid) from '^[^\\n]*\\n[^\\n]*\\n') as head
     from pg_catalog.pg_proc as p
     join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
     where format('%I.%I', n.nspname, p.proname) = $1 and p.prokind in ('f', 'p')
     order by 1`,
    [identity],
  );
  return rows;
}

function foreignSettings(object: LedgerObject, now: string | undefined): string[] {
  const recorded = object.definition.split('\n');
  const knows = (start: string) => recorded.some((line) => line.startsWith(start));
  return changedLines(object.definition, now).added.flatMap((line) => {
    const setting = /^(\w[\w.]*)=/.exec(line)?.[1];
    if (setting && !knows(`${setting}=`)) return [`alter role ${object.identity} reset ${setting}`];
    const of = /^member of ("(?:[^"]|"")+"|\S+)/.exec(line)?.[1];
    if (of && !knows(`member of ${of}`)) return [`revoke ${of} from ${object.identity}`];
    return [];
  });
}

interface Grant {
  privilege: string;
  role: string;
  option: string;
}

// A line of the catalog query: `table SELECT to authenticated`, `column tier UPDATE to anon with grant option`.
function grantsOf(lines: string[], settled: Set<string>): Grant[] {
  return lines.flatMap((line) => {
    const found = /^(?:column (.+) |table |schema |function )([A-Z]+) to (.+?)( with grant option)?$/.exec(
      line,
    );
    const [, column, privilege = '', role = '', option = ''] = found ?? [];
    if (!found || settled.has(role)) return [];
    return [
      {
        privilege: column ? `${privilege} (${quote(column)})` : privilege,
        role: role === 'public' ? role : quote(role),
        option,
      },
    ];
  });
}

function changedLines(recorded: string, now = ''): { added: string[]; missing: string[] } {
  const [before, after] = [recorded.split('\n'), now.split('\n')];
  return {
    added: after.filter((line) => !before.includes(line)),
    missing: before.filter((line) => !after.includes(line)),
  };
}

const withoutComments = (text: string): string => text.replace(/^(?:\s*--[^\n]*\n)+/, '').trim();
