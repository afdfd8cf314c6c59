import type { SessionEventType } from '@mobvibe/db';

/** An event as the table takes it. */
export interface StorableEvent {
  type: SessionEventType;
  payload: object;
}

/** session_events.payload holds at most 64 KiB as text; this leaves room for `truncated` itself. */
const MAX_BYTES = 65_536 - 64;

/** Longest strings kept, tried in turn until the payload fits. */
const STRING_CAPS = [48_000, 24_000, 12_000, 4_000, 1_000];
const SHORTEST = 200;

const MAX_DEPTH = 32;

/**
 * The event as the table takes it: text that Postgres can store, and within the bound. What is too long loses
 * the middle of its strings, then all that is no scalar, and says `truncated: true`. Nothing of what was too long
 * stays in memory.
 */
export function boundEvent({ type, payload }: StorableEvent): StorableEvent {
  const whole = copy(payload, { maxText: MAX_BYTES });
  if (!whole.cut && fits(whole)) return { type, payload: whole.value as object };
  const short = (maxText: number) => copy({ ...payload, truncated: true }, { maxText });
  if (fits(short(SHORTEST))) {
    const longest = STRING_CAPS.find((cap) => fits(short(cap))) ?? SHORTEST;
    return { type, payload: detached(short(longest).value) };
  }
  const scalars = Object.entries(payload).filter(([, value]) => typeof value !== 'object');
  const flat = copy(Object.fromEntries(scalars.slice(0, 50)), { maxText: SHORTEST });
  return { type, payload: detached({ ...(flat.value as object), truncated: true }) };
}

// A piece of a string keeps the whole string alive; a parsed copy does not.
const detached = (payload: unknown): object => JSON.parse(JSON.stringify(payload));

// jsonb writes a space behind every comma and colon; indented JSON is never shorter than that.
const fits = ({ value, dropped }: Copy) =>
  !dropped && Buffer.byteLength(JSON.stringify(value, null, 1)) <= MAX_BYTES;

/** A value as jsonb takes it: it refuses NUL and lone surrogates, and writes 1e300 as 301 digits. */
export const storable = (value: unknown): unknown => copy(value, { unbounded: true }).value;

interface Copy {
  value: unknown;
  /** A string lost its middle. */
  cut: boolean;
  /** Values were left out: too many, or too deep, as in a cycle. */
  dropped: boolean;
}

/** A copy of plain data as JSON keeps it, which looks at no more of it than could fit. */
function copy(root: unknown, options: { maxText?: number; unbounded?: boolean }): Copy {
  const { maxText = Number.POSITIVE_INFINITY, unbounded = false } = options;
  const result: Copy = { value: undefined, cut: false, dropped: false };
  let room = unbounded ? Number.POSITIVE_INFINITY : MAX_BYTES;

  function visit(value: unknown, depth: number): unknown {
    if (room <= 0 || depth > MAX_DEPTH) {
      result.dropped = true;
      return null;
    }
    // In JSON a value takes a character and the comma behind it at least.
    room -= 2;
    if (typeof value === 'string') return text(value);
    if (typeof value === 'number') return isShort(Math.abs(value)) ? value : String(value);
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Date) return value.toJSON();
    if (Array.isArray(value)) return array(value, depth);
    if (typeof value === 'object' && value !== null) return record(value as Record<string, unknown>, depth);
    return typeof value === 'boolean' || value === null ? value : undefined;
  }

  function array(values: unknown[], depth: number): unknown[] {
    const copied: unknown[] = [];
    for (const value of values) {
      if (result.dropped) break;
      copied.push(visit(value, depth + 1) ?? null);
    }
    return copied;
  }

  function record(values: Record<string, unknown>, depth: number): Record<string, unknown> {
    const copied: [string, unknown][] = [];
    for (const key in values) {
      if (result.dropped) break;
      if (!Object.hasOwn(values, key)) continue;
      const value = visit(values[key], depth + 1);
      if (value !== undefined) copied.push([text(key), value]);
    }
    return Object.fromEntries(copied);
  }

  function text(value: string): string {
    room -= Math.min(value.length, maxText);
    if (value.length <= maxText) return clean(value);
    result.cut = true;
    const half = Math.floor(maxText / 2);
    const kept = (part: string) => clean(part.replace(/\p{Surrogate}/gu, ''));
    return `${kept(value.slice(0, half))}\n… ${value.length - 2 * half} characters omitted …\n${kept(value.slice(-half))}`;
  }

  result.value = visit(root, 0);
  return result;
}

const clean = (text: string) => text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\uFFFD');

const isShort = (size: number) => size === 0 || (size >= 1e-9 && size < 1e15);
