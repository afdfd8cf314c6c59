import { v7 as uuidv7 } from 'uuid';
import { Prisma } from './generated/client.ts';

/**
 * Gives new rows a time-ordered uuid (v7) where the caller names none, nested writes included. SQL has no v7
 * before Postgres 18, so the column's own default is a random uuid; a Prisma `@default(uuid(7))` would take that
 * default out of the schema and be reported as drift.
 */
export const timeOrderedIds = Prisma.defineExtension((client) => {
  const fill = makeFill(dataModelOf(client));
  return client.$extends({
    name: 'time-ordered-ids',
    query: {
      $allModels: {
        $allOperations: ({ model, operation, args, query }) => query(fill(model, operation, args)),
      },
    },
  });
});

interface DataModel {
  models: Record<string, { fields: { name: string; kind: string; type: string }[] }>;
}

// The client carries the parsed schema for its own use; the generator offers no public way to it.
function dataModelOf(client: object): DataModel {
  const { _runtimeDataModel: model } = client as { _runtimeDataModel?: DataModel };
  if (!model?.models) throw new Error('this version of the Prisma client carries no data model');
  return model;
}

type Data = Record<string, unknown>;

function makeFill({ models }: DataModel) {
  const field = (model: string, name: string) =>
    models[model]?.fields.find((candidate) => candidate.name === name);
  const isUuid = (model: string) => field(model, 'id')?.type === 'String';

  const each = <T>(data: T, change: (one: Data) => Data): T =>
    (Array.isArray(data) ? data.map(change) : data === undefined ? data : change(data as Data)) as T;

  const created = <T>(model: string, data: T): T =>
    each(data, (row) => ({ ...(isUuid(model) && { id: uuidv7() }), ...nestedOne(model, row) }));

  const nested = <T>(model: string, data: T): T => each(data, (row) => nestedOne(model, row));

  function nestedOne(model: string, row: Data): Data {
    const relations = Object.entries(row).flatMap(([name, writes]) => {
      const found = field(model, name);
      return found?.kind === 'object' && writes ? [[name, relation(found.type, writes as Data)]] : [];
    });
    return { ...row, ...Object.fromEntries(relations) };
  }

  // What may stand under a relation: https://www.prisma.io/docs/orm/prisma-client/queries/relation-queries
  function relation(model: string, writes: Data): Data {
    const inside = (key: string, change: (value: unknown) => unknown) => (one: Data) => ({
      ...one,
      [key]: change(one[key]),
    });
    const changes: Record<string, (value: unknown) => unknown> = {
      create: (value) => created(model, value),
      createMany: (value) =>
        each(
          value,
          inside('data', (data) => created(model, data)),
        ),
      connectOrCreate: (value) =>
        each(
          value,
          inside('create', (data) => created(model, data)),
        ),
      update: (value) =>
        each(value, (one) =>
          'data' in one ? inside('data', (data) => nested(model, data))(one) : nestedOne(model, one),
        ),
      upsert: (value) =>
        each(value, (one) => ({
          ...one,
          create: created(model, one.create),
          update: nested(model, one.update),
        })),
    };
    return Object.fromEntries(
      Object.entries(writes).map(([key, value]) => [key, changes[key]?.(value) ?? value]),
    );
  }

  return <T>(model: string, operation: string, args: T): T => {
    const { data, create, update } = args as Data;
    switch (operation) {
      case 'create':
      case 'createMany':
      case 'createManyAndReturn':
        return { ...args, data: created(model, data) };
      case 'update':
        return { ...args, data: nested(model, data) };
      case 'upsert':
        return { ...args, create: created(model, create), update: nested(model, update) };
      default:
        return args;
    }
  };
}
