import { CommandError } from '@mobvibe/cli';
import type { FunctionAccess, PolicyText, Privilege, TableAccess } from '@mobvibe/rls-sql';
import type { Table } from './data-model.ts';
import { code, table } from './markdown.ts';
import { type MigratedSchema, type Migration, purposeOf } from './migrations.ts';

// Owned by the platform: it is in the schema only to be referenced.
const PLATFORM = /^auth\./;
const NOTHING = '–';

/** Every table of ours, with its comment. */
export function tableTable(tables: Table[], { tableComments }: MigratedSchema): string {
  for (const { name } of tables) {
    if (PLATFORM.test(name) || tableComments.get(name)) continue;
    throw new CommandError(
      `table ${name} has no comment`,
      `write comment on table ${name} is '…' into its migration`,
    );
  }
  return table(
    ['table', 'what a row is'],
    [...tableComments].map(([name, comment]) => [code(name), comment]),
  );
}

/** Who may do what with which table. */
export function accessTable(tables: TableAccess[]): string {
  const usual = ['anon', 'authenticated', 'service_role', 'mobvibe_worker'];
  const others = new Set(tables.flatMap(({ granted }) => [...granted.keys()]));
  const roles = [...usual, ...[...others].filter((role) => !usual.includes(role))];
  return table(
    ['table', ...roles],
    tables.map(({ table: name, granted }) => [
      code(name),
      ...roles.map((role) => privileges(granted.get(role) ?? [])),
    ]),
  );
}

function privileges(held: Privilege[]): string {
  const whole = held.filter(({ columns }) => columns === null).map(({ name }) => name);
  const bounded = held.flatMap(({ name, columns }) => (columns ? [`${name} (${columns.join(', ')})`] : []));
  return [...(whole.length > 0 ? [whole.join(', ')] : []), ...bounded].join('<br>') || NOTHING;
}

/** Every policy, as its file writes it. */
export function policyTable(policies: PolicyText[]): string {
  return table(
    ['table', 'policy', 'command', 'to', 'using', 'with check'],
    policies.map(({ table: name, name: policy, command, roles, using, check }) => [
      code(name),
      policy,
      command,
      roles.join(', '),
      using ? code(using) : NOTHING,
      check ? code(check) : NOTHING,
    ]),
  );
}

/** Every function of the SQL layer. */
export function functionTable(functions: FunctionAccess[]): string {
  return table(
    ['function', 'what it does', 'runs with the rights of', 'executable by'],
    functions.map(({ name, parameters, comment, securityDefiner, executableBy }) => {
      if (!comment) {
        throw new CommandError(
          `function ${name} has no comment`,
          `write comment on function ${name}(…) is '…' into its file`,
        );
      }
      const by = executableBy.length > 0 ? executableBy.join(', ') : NOTHING;
      return [code(`${name}(${parameters})`), comment, securityDefiner ? 'its owner' : 'the caller', by];
    }),
  );
}

/**
 * Every index, with the query that it serves.
 * @throws CommandError when one does not say which.
 */
export function indexTable(tables: Table[], { indexComments }: MigratedSchema): string {
  const rows = tables
    .filter(({ name }) => !PLATFORM.test(name))
    .flatMap((on) =>
      on.indexes.map(({ name, kind, columns, where }) => {
        const list = `(${columns.join(', ')})`;
        const serves = served(`${on.name.split('.')[0]}.${name}`, indexComments);
        return [code(on.name), code(name), kind, code(where ? `${list} where ${where}` : list), serves];
      }),
    );
  return table(['table', 'index', 'kind', 'on', 'serves'], rows);
}

function served(index: string, comments: Map<string, string>): string {
  const comment = /^Serves: (.+?)\.?$/s.exec(comments.get(index) ?? '')?.[1];
  if (comment) return comment;
  throw new CommandError(
    `index ${index} does not say which query it serves`,
    `write comment on index ${index} is 'Serves: …' into its migration`,
  );
}

/** The numbered migrations, with what each is for. */
export function migrationTable(migrations: Migration[]): string {
  return table(
    ['migration', 'what it makes'],
    migrations.map((migration) => [code(migration.name), purposeOf(migration)]),
  );
}
