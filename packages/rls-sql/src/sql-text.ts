// A string, a quoted name, a dollar-quoted body and a comment are one token each: nothing inside them counts.
const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|\w+|\S/g;

interface Token {
  text: string;
  end: number;
  /** How many parentheses are open before it. */
  depth: number;
}

function* tokensOf(sql: string): Generator<Token> {
  let depth = 0;
  for (const { 0: text, index } of sql.matchAll(TOKEN)) {
    if (text.startsWith('--') || text.startsWith('/*')) continue;
    if (text === ')') depth -= 1;
    yield { text, end: index + text.length, depth };
    if (text === '(') depth += 1;
  }
}

/** What follows the first such keyword outside parentheses in a statement; undefined without one. */
export function textAfter(keyword: string, sql: string): string | undefined {
  for (const { text, end, depth } of tokensOf(sql)) {
    if (depth === 0 && text.toLowerCase() === keyword) return sql.slice(end).trim();
  }
  return undefined;
}

/** What the first parentheses of a statement enclose; undefined without any. */
export function firstParentheses(sql: string): string | undefined {
  let start: number | undefined;
  for (const { text, end, depth } of tokensOf(sql)) {
    if (depth !== 0) continue;
    if (text === '(') start ??= end;
    if (text === ')') return sql.slice(start, end - 1).trim();
  }
  return undefined;
}
