// Writes src/generated/models.ts: what the API gives of the tables that are synchronised, read from the Prisma schema.
// Through types of the Prisma client a phone would have to install that client, and with it a driver for Postgres.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getDMMF } from '@prisma/get-dmmf';

const SYNCHRONISED = ['Project', 'CodingSession', 'CodingJob', 'SessionEvent'];

// As PostgREST writes them into JSON.
const JSON_TYPES: Record<string, string> = {
  String: 'string',
  Boolean: 'boolean',
  Int: 'number',
  BigInt: 'number',
  DateTime: 'string',
  Json: 'Json',
};

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const schema = path('../db/prisma/schema');
const files = readdirSync(schema)
  .filter((name) => name.endsWith('.prisma'))
  .map((name): [string, string] => [name, readFileSync(`${schema}/${name}`, 'utf8')]);
const document = getDMMF({ datamodel: files });
if ('type' in document) throw document.error;
const { models, enums } = document.datamodel;

function typeOf(name: string): string {
  const values = enums.find((each) => each.name === name)?.values;
  const type = values?.map((value) => `'${value.dbName ?? value.name}'`).join(' | ') ?? JSON_TYPES[name];
  if (!type) throw new Error(`how the API gives a ${name} of the Prisma schema is not known`);
  return type;
}

const interfaces = SYNCHRONISED.map((name) => {
  const model = models.find((each) => each.name === name);
  if (!model) throw new Error(`the Prisma schema has no model ${name}`);
  const columns = model.fields
    .filter(({ kind }) => kind !== 'object')
    .map(({ name, dbName, type, isRequired, documentation }) => {
      const comment = documentation ? `  /** ${documentation} */\n` : '';
      return `${comment}  ${dbName ?? name}: ${typeOf(type)}${isRequired ? '' : ' | null'};`;
    });
  return `/** ${model.documentation} */\nexport interface ${name} {\n${columns.join('\n')}\n}\n`;
});

mkdirSync(path('src/generated'), { recursive: true });
writeFileSync(
  path('src/generated/models.ts'),
  `// Generated from the Prisma schema by generate.ts.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

${interfaces.join('\n')}`,
);
