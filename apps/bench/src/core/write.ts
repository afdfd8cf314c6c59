import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Result, resultSchema } from './result.ts';

/**
 * Writes `<benchmark>.json` and `<benchmark>.svg` into the directory, which is made where it is missing.
 * @returns their paths
 */
export async function writeResult(directory: string, result: Result): Promise<string[]> {
  // Of use only here, and slow to load.
  const { chart } = await import('./chart.ts');
  await mkdir(directory, { recursive: true });
  const [json, svg] = ['json', 'svg'].map((ending) => join(directory, `${result.benchmark}.${ending}`)) as [
    string,
    string,
  ];
  // `parse` also drops what the schema does not name.
  await writeFile(json, `${JSON.stringify(resultSchema.parse(result), null, 2)}\n`);
  await writeFile(svg, chart(result));
  return [json, svg];
}
