import { readFileSync } from 'node:fs';
import type { ClientBase } from 'pg';
import type { Declaration, Kind } from './declarations.ts';

/** Schemas that an API exposes. */
const exposedSchemas = ['public'];
/** Schemas that the SQL layer answers for; the others belong to the platform. */
const ownSchemas = [...exposedSchemas, 'private', 'partitions'];

const query = readFileSync(new URL('./queries/catalog.sql', import.meta.url), 'utf8');

/** An object as the catalog has it. */
export interface CatalogObject extends Declaration {
  definition: string;
  /** The table it stands on, when it stands on one. */
  relation: number | null;
  owner: string;
}

/** A map by kind and identity. */
export class Catalog {
  readonly #objects = new Map<string, CatalogObject>();

  constructor(objects: Iterable<CatalogObject>) {
    for (const object of objects) this.#objects.set(key(object), object);
  }

  get(declaration: Declaration): CatalogObject | undefined {
    return this.#objects.get(key(declaration));
  }

  ofKind(...kinds: Kind[]): CatalogObject[] {
    return [...this.#objects.values()].filter((object) => kinds.includes(object.kind));
  }
}

/** Names an object within its kind. */
export const key = ({ kind, identity }: Declaration): string => `${kind} ${identity}`;

/** What the database holds now of all that files can declare. */
export async function readCatalog(client: ClientBase): Promise<Catalog> {
  const { rows: schemas } = await client.query<{ name: string }>(
    'select nspname as name from pg_catalog.pg_namespace where nspname = any ($1)',
    [ownSchemas],
  );
  const { rows } = await client.query<CatalogObject>(query, [schemas.map((schema) => schema.name)]);
  return new Catalog(rows);
}

/** The schema of a function or table, or of the table that a trigger or policy stands on. */
function schemaOf({ identity }: Declaration): string {
  const relation = identity.split(' on ').at(-1) ?? '';
  return relation.split('.')[0] ?? '';
}

/** True for an object in, or on a table in, a schema that the SQL layer answers for. */
export const isOwn = (object: Declaration): boolean => ownSchemas.includes(schemaOf(object));
