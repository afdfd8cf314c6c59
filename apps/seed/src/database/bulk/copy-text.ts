import { isoTime } from './iso-time.ts';

const PIECE = 64 * 1024;
const SPECIAL = /[\\\n\r\t]/;

/** Rows of one table as COPY takes them in its text format. */
export interface CopyText {
  columns: string[];
  pieces: Buffer[];
  rows: number;
}

/** Takes rows, each of which names the same columns in the same order, and keeps nothing but their text. */
export function copyTextWriter(onPiece: (piece: Buffer) => void = () => {}): {
  add(rows: readonly object[]): void;
  finish(): CopyText;
} {
  const all: CopyText = { columns: [], pieces: [], rows: 0 };
  let text = '';
  const flush = () => {
    const piece = Buffer.from(text);
    text = '';
    all.pieces.push(piece);
    onPiece(piece);
  };
  return {
    add(rows) {
      if (all.rows === 0) all.columns = columnsOf(rows[0] ?? {});
      all.rows += rows.length;
      for (const row of rows) {
        let line = '';
        for (const value of Object.values(row)) line += `${field(value)}\t`;
        text += `${line.slice(0, -1)}\n`;
        if (text.length > PIECE) flush();
      }
    },
    finish() {
      if (text !== '') flush();
      return all;
    },
  };
}

/** The part of a text whose rows are not among the keys: their first columns, with a slash in between. */
export function withoutRows(
  { columns, pieces }: CopyText,
  key: readonly number[],
  there: Set<string>,
): CopyText {
  const lines = Buffer.concat(pieces)
    .toString()
    .split('\n')
    .filter((line) => {
      const fields = line.split('\t', 3);
      return line !== '' && !there.has(key.map((column) => fields[column]).join('/'));
    });
  const text = lines.map((line) => `${line}\n`).join('');
  return { columns, pieces: [Buffer.from(text)], rows: lines.length };
}

function field(value: unknown): string {
  if (value === null || value === undefined) return '\\N';
  switch (typeof value) {
    case 'string':
      return escaped(value);
    case 'object':
      return value instanceof Date ? isoTime(value) : escaped(JSON.stringify(value));
    case 'boolean':
      return value ? 't' : 'f';
    default:
      return String(value);
  }
}

function escaped(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
}

/** As SQL names them. */
const columnsOf = (row: object): string[] =>
  Object.keys(row).map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
