import { readFile, writeFile } from 'node:fs/promises';

const file = new URL('../../../../docs/OPERATING.md', import.meta.url);

const TABLE = /(<!-- generated: checks -->\n\n)([\s\S]*?)(\n\n<!-- end -->)/;

/** The table of checks in docs/OPERATING.md. */
export async function checksTable(): Promise<string | undefined> {
  return TABLE.exec(await readFile(file, 'utf8'))?.[2];
}

export async function writeChecksTable(table: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  await writeFile(
    file,
    text.replace(TABLE, (_, start: string, _table: string, end: string) => start + table + end),
  );
}
