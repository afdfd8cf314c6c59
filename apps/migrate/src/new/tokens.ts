/** A word of SQL as Prisma writes it. */
export interface Token {
  kind: 'identifier' | 'word' | 'text' | 'symbol';
  /** An identifier without its quotes; anything else as it stands in the script. */
  value: string;
  /** Whether white space stood before it. */
  spaced: boolean;
}

const PATTERN =
  /(?<space>\s+)|(?<comment>--[^\n]*|\/\*[\s\S]*?\*\/)|"(?<identifier>(?:[^"]|"")*)"|(?<text>[eE]?'(?:[^']|'')*')|(?<word>[A-Za-z_][A-Za-z0-9_]*|\d+(?:\.\d+)?)|(?<symbol>::|<>|<=|>=|!=|[^\s])/g;

/** The statements of a script, without comments and closing semicolons. */
export function statements(script: string): Token[][] {
  const found: Token[][] = [[]];
  let spaced = false;
  for (const { groups } of script.matchAll(PATTERN)) {
    const { space, comment, identifier, text, word, symbol } = groups ?? {};
    if (space !== undefined || comment !== undefined) {
      spaced = true;
      continue;
    }
    if (symbol === ';') found.push([]);
    else if (identifier !== undefined) add('identifier', identifier.replaceAll('""', '"'));
    else if (text !== undefined) add('text', text);
    else if (word !== undefined) add('word', word);
    else if (symbol !== undefined) add('symbol', symbol);
    spaced = false;
  }
  return found.filter((tokens) => tokens.length > 0);

  function add(kind: Token['kind'], value: string) {
    found.at(-1)?.push({ kind, value, spaced });
  }
}

/** Splits at the commas that stand in no parentheses. */
export function splitList(tokens: Token[]): Token[][] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'symbol' && token.value === '(') depth++;
    if (token.kind === 'symbol' && token.value === ')') depth--;
    if (token.kind === 'symbol' && token.value === ',' && depth === 0) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}
