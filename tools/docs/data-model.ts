import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, oneLine } from '@mobvibe/cli';
import { getDMMF } from '@prisma/get-dmmf';

/** A table of the Prisma schema, in the words of the database. */
export interface Table {
  /** With its schema: `public.projects`. */
  name: string;
  columns: Column[];
  foreignKeys: ForeignKey[];
  indexes: Index[];
}

export interface Column {
  name: string;
  type: string;
  nullable: boolean;
}

export interface ForeignKey {
  columns: string[];
  references: string;
  onDelete: string | undefined;
}

export interface Index {
  /** As the database names it, without schema. */
  name: string;
  kind: 'primary key' | 'unique' | 'index';
  /** With their order, `updated_at desc`, or an expression. */
  columns: string[];
  /** The condition of a partial index, as the migration writes it; the parsed Prisma schema does not tell it. */
  where?: string | undefined;
}

type Document = Exclude<ReturnType<typeof getDMMF>, { type: string }>;
type Model = Document['datamodel']['models'][number];
type Field = Model['fields'][number];
type PrismaIndex = Document['datamodel']['indexes'][number];

// Postgres cuts longer names.
const NAME_LIMIT = 63;

/** Reads the `.prisma` files of a folder; needs no database and no engine. */
export function readDataModel(directory: string): Table[] {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.prisma'))
    .sort()
    .map((name): [string, string] => [name, readFileSync(join(directory, name), 'utf8')]);
  return dataModelOf(files);
}

/**
 * Parses Prisma schema files.
 * @param files pairs of name and content
 * @throws CommandError when they are not valid.
 */
export function dataModelOf(files: [name: string, content: string][]): Table[] {
  const document = getDMMF({ datamodel: files });
  if ('type' in document) {
    throw new CommandError(
      `the Prisma schema is not valid: ${oneLine(document.error)}`,
      'pnpm --filter @mobvibe/db exec prisma validate shows where',
    );
  }
  const { models, enums, indexes } = document.datamodel;
  const bodies = modelBodies(files.map(([, content]) => content).join('\n'));
  const enumNames = new Map(enums.map((each) => [each.name, each.dbName ?? each.name]));
  const byName = new Map(models.map((model) => [model.name, model]));

  return models.map((model) => {
    const body = bodies.get(model.name) ?? '';
    const column = columnNames(model, body);
    const own = indexes.filter((index) => index.model === model.name);
    return {
      name: tableName(model),
      columns: columnsOf(model, body, (field) => sqlType(field, enumNames)),
      foreignKeys: model.fields.flatMap((field) => {
        const parent = byName.get(field.type);
        const from = field.relationFromFields ?? [];
        if (!parent || from.length === 0) return [];
        return [
          {
            columns: from.map(column),
            references: tableName(parent),
            onDelete: field.relationOnDelete,
          },
        ];
      }),
      indexes: own.map((index) => ({
        name: indexName(index, model, column),
        kind: index.type === 'id' ? 'primary key' : index.type === 'unique' ? 'unique' : 'index',
        columns: index.fields.map(({ name, sortOrder }) =>
          sortOrder === 'desc' ? `${column(name)} desc` : column(name),
        ),
      })),
    };
  });
}

const tableName = (model: Model): string => `${model.schema ?? 'public'}.${model.dbName ?? model.name}`;

function columnNames(model: Model, body: string): (field: string) => string {
  const names = new Map([
    ...unsupportedFields(body).map(({ field, name }): [string, string] => [field, name]),
    ...model.fields.map((field): [string, string] => [field.name, field.dbName ?? field.name]),
  ]);
  return (field) => names.get(field) ?? field;
}

// As Prisma names what the schema leaves unnamed:
// https://www.prisma.io/docs/orm/prisma-schema/data-model/database-mapping
function indexName(index: PrismaIndex, model: Model, column: (field: string) => string): string {
  if (index.dbName) return index.dbName;
  const table = model.dbName ?? model.name;
  const cut = (name: string, suffix: string) => name.slice(0, NAME_LIMIT - suffix.length) + suffix;
  if (index.type === 'id') return cut(table, '_pkey');
  const columns = index.fields.map(({ name }) => column(name)).join('_');
  return cut(`${table}_${columns}`, index.type === 'unique' ? '_key' : '_idx');
}

const scalarTypes: Record<string, string> = {
  String: 'text',
  Boolean: 'boolean',
  Int: 'integer',
  BigInt: 'bigint',
  Float: 'double precision',
  Decimal: 'numeric',
  DateTime: 'timestamp',
  Json: 'jsonb',
  Bytes: 'bytea',
};

function sqlType({ type, nativeType, isList }: Field, enumNames: Map<string, string>): string {
  const list = isList ? '[]' : '';
  if (!nativeType) return (enumNames.get(type) ?? scalarTypes[type] ?? type) + list;
  const [name, parameters] = nativeType;
  // A time's precision is Postgres' own default and says nothing.
  const shown = parameters.length > 0 && !/^Time/.test(name) ? `(${parameters.join(',')})` : '';
  return name.toLowerCase() + shown + list;
}

// The parsed schema leaves out columns of a type that Prisma's client cannot handle.
const unsupportedFields = (body: string) =>
  fieldLines(body).flatMap(([field, rest]) => {
    const [, type, optional = ''] = /^Unsupported\("([^"]+)"\)(\?)?/.exec(rest) ?? [];
    const name = /@map\("([^"]+)"\)/.exec(rest)?.[1] ?? field;
    return type ? [{ field, name, type, nullable: optional !== '' }] : [];
  });

const fieldLines = (body: string): [field: string, rest: string][] =>
  [...body.matchAll(/^ +(\w+) +(\S.*)$/gm)].map(([, field = '', rest = '']) => [field, rest]);

// In the order of the schema's text.
function columnsOf(model: Model, body: string, typeOf: (field: Field) => string): Column[] {
  const fields = new Map(model.fields.map((field) => [field.name, field]));
  const unsupported = new Map(unsupportedFields(body).map(({ field, ...column }) => [field, column]));
  return fieldLines(body).flatMap(([name]) => {
    const field = fields.get(name);
    if (field?.kind === 'object') return [];
    if (field) return [{ name: field.dbName ?? name, type: typeOf(field), nullable: !field.isRequired }];
    const column = unsupported.get(name);
    return column ? [column] : [];
  });
}

const modelBodies = (schema: string): Map<string, string> =>
  new Map(
    [...schema.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => [name, body]),
  );
