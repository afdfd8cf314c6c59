import { randomUUID } from 'node:crypto';

interface Typed {
  name: string;
  type: string;
  labels: string[] | null;
}

let counter = 0;

/**
 * A plausible value of a type, as text that Postgres reads. What must be unique is so.
 * @param position later columns get later times, so that a range ends after it starts
 */
export function plausible(of: Typed, position = 0, isUnique = false): string {
  if (of.type.startsWith('_')) return `{${JSON.stringify(plausible({ ...of, type: of.type.slice(1) }))}}`;
  if (of.labels) return of.labels[0] ?? '';
  const serial = ++counter;
  switch (of.type) {
    case 'uuid':
      return randomUUID();
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
    case 'citext':
      return isUnique ? `attack ${serial}` : 'attack';
    case 'int2':
    case 'int4':
    case 'int8':
    case 'numeric':
    case 'float4':
    case 'float8':
      return isUnique ? String(1000 + serial) : '1';
    case 'bool':
      return 'true';
    case 'json':
    case 'jsonb':
      return of.name.includes('events') ? '[{"type":"message"}]' : '{}';
    case 'timestamptz':
    case 'timestamp':
      return new Date(Date.UTC(2031, 0, 1, position, isUnique ? serial % 60 : 0)).toISOString();
    case 'date':
      return `2031-01-${String((position % 28) + 1).padStart(2, '0')}`;
    case 'time':
    case 'timetz':
      return '12:00';
    case 'interval':
      return '1 minute';
    case 'bytea':
      return '\\x00';
    case 'inet':
    case 'cidr':
      return '127.0.0.1';
    case 'oid':
    case 'xid':
    case 'xid8':
      return '1';
    default:
      throw new Error(`no plausible value is known for type ${of.type} (${of.name}): add it to values.ts`);
  }
}
