import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Rows } from './rows.ts';

/** What the rows are, in one line: SHA-256 over each row as canonical JSON (RFC 8785), table by table. */
export function contentHash(rows: Rows): string {
  const hash = createHash('sha256');
  for (const [table, all] of Object.entries(rows)) {
    for (const row of all) hash.update(`${table} ${canonicalize(withoutBigints(row))}\n`);
  }
  return `sha256:${hash.digest('hex')}`;
}

// JSON has no bigint; the only ones here are columns.
function withoutBigints(row: object): object {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, typeof value === 'bigint' ? String(value) : value]),
  );
}
