import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '@mobvibe/cli';
import { firstParentheses, type Node, namesOf, statementsOf, textAfter } from '@mobvibe/rls-sql';
import type { Index, Table } from './data-model.ts';

export interface Migration {
  name: string;
  sql: string;
}

/** What migrations leave behind, as far as the documents tell of it; names with their schema. */
export interface MigratedSchema {
  tableComments: Map<string, string>;
  indexComments: Map<string, string>;
  indexes: Map<string, MigratedIndex>;
}

export interface MigratedIndex {
  table: string;
  unique: boolean;
  /** What stands in the parentheses, as the file writes it. */
  columns: string;
  /** The condition of a partial index. */
  where: string | undefined;
}

/** The numbered migrations of a folder, oldest first. */
export function readMigrations(directory: string): Migration[] {
  return readdirSync(directory)
    .sort()
    .map((name) => ({ name, path: join(directory, name, 'migration.sql') }))
    .filter(({ path }) => existsSync(path))
    .map(({ name, path }) => ({ name, sql: readFileSync(path, 'utf8') }));
}

/**
 * What a migration is for: the first sentence of the comment that it starts with, or the list that
 * `pnpm migration new` wrote there.
 * @throws CommandError when it starts with neither.
 */
export function purposeOf({ name, sql }: Migration): string {
  const [comment = ''] = /^(-- .*\n?)+/.exec(sql) ?? [];
  const [first = '', ...rest] = comment.split('\n').map((line) => line.slice('-- '.length));
  if (first && first !== `${name}:`) return first.split(/(?<=\.) /, 1)[0] ?? '';
  const listed = rest.filter((line) => line.startsWith('  ')).map((line) => line.trim());
  if (listed.length > 0) return `${listed.join('; ')}.`;
  throw new CommandError(
    `migration ${name} does not say what it is for`,
    'begin its migration.sql with a comment of one line',
  );
}

/** Replays the statements that name, make and drop indexes and tables, oldest migration first. */
export async function schemaOf(migrations: Migration[]): Promise<MigratedSchema> {
  const schema: MigratedSchema = { tableComments: new Map(), indexComments: new Map(), indexes: new Map() };
  for (const { name, sql } of migrations) {
    for (const { node, text } of await statementsOf({ path: `${name}/migration.sql`, sql })) {
      if ('DoStmt' in node) refuseHidden(text, name);
      replay(node, text, schema);
    }
  }
  return schema;
}

/** The tables with what only migrations tell of their indexes: conditions, and indexes that Prisma cannot model. */
export function withMigrated(tables: Table[], { indexes }: MigratedSchema): Table[] {
  return tables.map((table) => {
    const schema = table.name.split('.')[0];
    const known = table.indexes.map((index) => ({
      ...index,
      where: indexes.get(`${schema}.${index.name}`)?.where,
    }));
    const others = [...indexes].flatMap(([qualified, index]): Index[] => {
      const name = qualified.slice(qualified.indexOf('.') + 1);
      if (index.table !== table.name || known.some((each) => each.name === name)) return [];
      const { columns, where } = index;
      return [{ name, kind: index.unique ? 'unique' : 'index', columns: [columns], where }];
    });
    return { ...table, indexes: [...known, ...others] };
  });
}

function replay(node: Node, text: string, schema: MigratedSchema): void {
  if ('CommentStmt' in node) {
    const { objtype, object, comment } = node.CommentStmt;
    const name = qualifiedName(object);
    if (objtype === 'OBJECT_TABLE') schema.tableComments.set(name, comment ?? '');
    if (objtype === 'OBJECT_INDEX') schema.indexComments.set(name, comment ?? '');
  }
  if ('IndexStmt' in node) {
    const { idxname, relation, unique = false } = node.IndexStmt;
    const on = textAfter('on', text) ?? '';
    // An index lives in the schema of its table.
    schema.indexes.set(`${relation?.schemaname}.${idxname}`, {
      table: `${relation?.schemaname}.${relation?.relname}`,
      unique,
      columns: firstParentheses(on) ?? '',
      where: textAfter('where', on),
    });
  }
  if ('RenameStmt' in node) {
    const { renameType = '', relation, newname } = node.RenameStmt;
    const to = `${relation?.schemaname}.${newname}`;
    if (renameType === 'OBJECT_INDEX' || renameType === 'OBJECT_TABLE') {
      rename(renameType, `${relation?.schemaname}.${relation?.relname}`, to, schema);
    }
  }
  if ('DropStmt' in node) {
    const { removeType, objects = [] } = node.DropStmt;
    for (const name of objects.map(qualifiedName)) {
      if (removeType === 'OBJECT_TABLE') {
        schema.tableComments.delete(name);
        for (const [index, { table }] of schema.indexes) if (table === name) schema.indexes.delete(index);
      }
      if (removeType === 'OBJECT_INDEX') {
        schema.indexes.delete(name);
        schema.indexComments.delete(name);
      }
    }
  }
}

function rename(of: string, from: string, to: string, schema: MigratedSchema): void {
  const maps: Map<string, unknown>[] =
    of === 'OBJECT_INDEX' ? [schema.indexes, schema.indexComments] : [schema.tableComments];
  for (const map of maps) {
    if (!map.has(from)) continue;
    map.set(to, map.get(from));
    map.delete(from);
  }
  if (of === 'OBJECT_TABLE') {
    for (const index of schema.indexes.values()) if (index.table === from) index.table = to;
  }
}

// A DO block is a string to the parser.
function refuseHidden(block: string, migration: string): void {
  const hidden = /\b(create|create unique|alter|drop) index\b|\bcomment on\b/i.exec(block)?.[0];
  if (!hidden) return;
  throw new CommandError(
    `migration ${migration} has \`${hidden}\` inside a do block, where the documents cannot see it`,
    'write it outside: `create index if not exists` and `comment on` can be run twice as they are',
  );
}

const qualifiedName = (object: Node | undefined): string =>
  object && 'List' in object ? namesOf(object.List.items).join('.') : '';
