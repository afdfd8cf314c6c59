import { CommandError } from '@mobvibe/cli';

/** The generated parts of a document, by name: the markdown between its marker and `<!-- end -->`. */
export type Parts = Record<string, string>;

const PART = /(<!-- generated: (.+?) -->\n)([\s\S]*?)(<!-- end -->)/g;

/**
 * The document with its generated parts as they should be; everything else stays as it is written.
 * @param path of the document, for errors
 * @throws CommandError when the document lacks a part, or has one that nothing generates.
 */
export function fill(document: string, parts: Parts, path = 'the document'): string {
  const found = [...document.matchAll(PART)].map((match) => match[2] ?? '');
  const missing = Object.keys(parts).find((name) => !found.includes(name));
  if (missing) {
    throw new CommandError(
      `${path} has no place for the generated part ${missing}`,
      `write <!-- generated: ${missing} --> and <!-- end --> where it belongs, then pnpm docs:write`,
    );
  }
  const unknown = found.find((name) => !Object.hasOwn(parts, name));
  if (unknown) {
    throw new CommandError(
      `${path} has a place for ${unknown}, which nothing generates`,
      `remove its markers, or name one of: ${Object.keys(parts).join(', ')}`,
    );
  }
  return document.replace(
    PART,
    (_, start: string, name: string, _content: string, end: string) => `${start}\n${parts[name]}\n\n${end}`,
  );
}

/** The names of the generated parts that are not as they should be. */
export function staleParts(document: string, parts: Parts, path?: string): string[] {
  const filled = fill(document, parts, path);
  const now = contents(document);
  return [...contents(filled)].filter(([name, content]) => now.get(name) !== content).map(([name]) => name);
}

const contents = (document: string): Map<string, string> =>
  new Map([...document.matchAll(PART)].map((match) => [match[2] ?? '', match[3] ?? '']));
