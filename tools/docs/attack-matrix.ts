import { readFileSync } from 'node:fs';

const file = new URL('../../test/attack/expected-matrix.txt', import.meta.url);

/** The reviewed matrix of the attack suite, its headings one level further down. */
export function attackMatrix(): string {
  const text = readFileSync(file, 'utf8').replaceAll(/^(#+) /gm, '#$1 ');
  // The first line is the title, which the document has already.
  return text.slice(text.indexOf('\n')).trim();
}
