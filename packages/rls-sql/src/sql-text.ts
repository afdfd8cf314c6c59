// A string, a quoted name, a dollar-quoted body and a comment are one token each: nothing inside them counts.
const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|\w+|\s+|\S/g;
const BLANK = /^(--|\/\*|\s)/;

interface Token {
  text: string;
  end: number;
  /** How many parentheses are open around it. */
  depth: number;
}

function* tokensOf(sql: string): Generator<Token> {
  let depth = 0;
  for (const { 0: text, index } of sql.matchAll(TOKEN)) {
    if (text === ')') depth -= 1;
    yield { text, end: index + text.length, depth };
    if (text === '(') depth += 1;
  }
}

/** What follows the first such keyword outside parentheses in a statement; undefined without one. */
export function textAfter(keyword: string, sql: string): string | undefined {
  for (const { text, end, depth } of tokensOf(sql)) {
    if (depth === 0 && text.toLowerCase() === keyword) return onOneLine(sql.slice(end));
  }
  return undefined;
}

/** What the first parentheses of a statement enclose; undefined without any. */
export function firstParentheses(sql: string): string | undefined {
  let start: number | undefined;
  for (const { text, end, depth } of tokensOf(sql)) {
    if (depth !== 0) continue;
    if (text === '(') start ??= end;
    if (text === ')') return onOneLine(sql.slice(start, end - 1));
  }
  return undefined;
}

// Comments and line breaks go; what stands in quotes stays as it is.
function onOneLine(sql: string): string {
  let line = '';
  for (const { text } of tokensOf(sql)) {
    if (text === ')') line = line.trimEnd();
    if (!BLANK.test(text)) line += text;
    else if (!/[\s(]$/.test(line)) line += ' ';
  }
  return line.trim();
}

/** A comment of one line: a name with a line break in it must not end the comment. */
export const sqlComment = (text: string): string => `-- ${text.replace(/\s+/g, ' ')}`;
