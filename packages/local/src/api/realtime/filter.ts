import { escapeIdentifier } from 'pg';

/** A condition of a postgres_changes subscription: `status=not.in.(draft,archived)`. */
export interface Filter {
  column: string;
  operator: string;
  value: string | string[];
  negated: boolean;
}

const COMPARISONS: Record<string, string> = {
  eq: '=',
  neq: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  isdistinct: 'is distinct from',
};
const PATTERNS: Record<string, string> = { like: 'like', ilike: 'ilike', match: '~', imatch: '~*' };
const IS = new Set(['null', 'true', 'false', 'unknown']);

/** Reads a filter; conditions are separated by commas. Undefined when it is malformed. */
export function parseFilter(source: string): Filter[] | undefined {
  if (source.trim() === '') return [];
  const filters = splitOutside(source).map(parseCondition);
  return filters.every((filter) => filter !== undefined) ? filters : undefined;
}

/**
 * The filters as an SQL condition on the row `k`, and the values of its parameters from `$<first>` on. Postgres takes
 * the type of each from the column it is compared with.
 */
export function filterCondition(filters: Filter[], first: number): { sql: string; values: unknown[] } {
  const values: unknown[] = [];
  const conditions = filters.map(({ column, operator, value, negated }) => {
    const name = `k.${escapeIdentifier(column)}`;
    const parameter = () => `$${values.push(value) + first - 1}`;
    const condition =
      operator === 'is'
        ? `${name} is ${value}`
        : operator === 'in'
          ? `${name} = any (${parameter()})`
          : operator in PATTERNS
            ? `${name}::text ${PATTERNS[operator]} ${parameter()}`
            : `${name} ${COMPARISONS[operator]} ${parameter()}`;
    return `${negated ? 'not ' : ''}(${condition})`;
  });
  return { sql: conditions.join(' and ') || 'true', values };
}

function parseCondition(source: string): Filter | undefined {
  const match = /^\s*([^=]+)=(not\.)?([a-z]+)\.(.*)$/s.exec(source);
  if (!match) return undefined;
  const [, column = '', not, operator = '', raw = ''] = match;
  const filter = { column: column.trim(), operator, negated: not !== undefined };
  if (operator === 'in') {
    const list = /^\((.*)\)$/s.exec(raw);
    return list ? { ...filter, value: splitOutside(list[1] as string).map(unquote) } : undefined;
  }
  if (operator === 'is') return IS.has(raw) ? { ...filter, value: raw } : undefined;
  const known = Object.hasOwn(COMPARISONS, operator) || Object.hasOwn(PATTERNS, operator);
  return known ? { ...filter, value: unquote(raw) } : undefined;
}

/** Splits at commas that are neither quoted nor in parentheses. */
function splitOutside(source: string): string[] {
  const parts = [''];
  let depth = 0;
  // A quote opens a string only where a value begins; elsewhere it is a character like any other.
  for (const token of source.match(/(?<=^|[.(,])"(?:\\.|[^"\\])*"|./gs) ?? []) {
    if (token === '(') depth++;
    if (token === ')') depth = Math.max(0, depth - 1);
    if (token === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += token;
  }
  return parts;
}

function unquote(value: string): string {
  return /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value;
}
