import type { Column, Table } from './data-model.ts';

/** A mermaid diagram of every table with its columns, keys and relations. */
export function erDiagram(tables: Table[]): string {
  const relations = tables.flatMap((table) =>
    table.foreignKeys.map(({ columns, references, onDelete }) => {
      const optional = columns.some((name) => table.columns.find((column) => column.name === name)?.nullable);
      const parent = optional ? '|o' : '||';
      const child = isKey(columns, table) ? 'o|' : 'o{';
      const deletes = onDelete === 'Cascade' ? ', on delete cascade' : '';
      return `  "${references}" ${parent}--${child} "${table.name}" : "${columns.join(', ')}${deletes}"`;
    }),
  );
  return ['```mermaid', 'erDiagram', ...relations, ...tables.map(entity), '```'].join('\n');
}

function entity(table: Table): string {
  const lines = table.columns.map((column) => `    ${attribute(column, table)}`);
  return [`  "${table.name}" {`, ...lines, '  }'].join('\n');
}

function attribute({ name, type, nullable }: Column, { foreignKeys, indexes }: Table): string {
  const marks = [
    ['PK', indexes.some((index) => index.kind === 'primary key' && index.columns.includes(name))],
    ['FK', foreignKeys.some((key) => key.columns.includes(name))],
    ['UK', isKey([name], { indexes: indexes.filter((index) => index.kind === 'unique') })],
  ].flatMap(([mark, holds]) => (holds ? [mark] : []));
  // A type of mermaid's has no spaces.
  const parts = [type.replaceAll(' ', '_'), name, marks.join(', '), nullable ? '"nullable"' : ''];
  return parts.filter(Boolean).join(' ');
}

// A partial index is no key of the table.
const isKey = (columns: string[], { indexes }: Pick<Table, 'indexes'>): boolean =>
  indexes.some(
    (index) =>
      index.kind !== 'index' &&
      !index.where &&
      index.columns.length === columns.length &&
      index.columns.every((column) => columns.includes(column)),
  );
