import type { SessionEvent } from './event.ts';

/** session_events.payload holds at most 64 KiB as text; this leaves room for `truncated` itself. */
const MAX_BYTES = 65_536 - 64;

/** Longest strings kept, tried in turn until the payload fits. */
const STRING_CAPS = [48_000, 24_000, 12_000, 4_000, 1_000];
const SHORTEST = 200;

/**
 * The event as the table takes it: text that Postgres can store, and within the bound. What is too long loses
 * the middle of its strings, then all that is no scalar, and says `truncated: true`.
 */
export function boundEvent(event: SessionEvent): { type: string; payload: object } {
  const payload = storable(event.payload) as Record<string, unknown>;
  if (fits(payload)) return { type: event.type, payload };
  const shorter = (cap: number) => ({ ...(shorten(payload, cap) as object), truncated: true });
  if (fits(shorter(SHORTEST))) {
    const cap = STRING_CAPS.find((candidate) => fits(shorter(candidate))) ?? SHORTEST;
    return { type: event.type, payload: shorter(cap) };
  }
  const scalars = Object.entries(payload).filter(([, value]) => typeof value !== 'object');
  const flat = shorten(Object.fromEntries(scalars.slice(0, 50)), SHORTEST) as object;
  return { type: event.type, payload: { ...flat, truncated: true } };
}

// jsonb writes a space behind every comma and colon; indented JSON is never shorter than that.
const fits = (payload: object) => Buffer.byteLength(JSON.stringify(payload, null, 1)) <= MAX_BYTES;

/** A value as jsonb takes it: it refuses NUL and lone surrogates, and writes 1e300 as 301 digits. */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\uFFFD');
  if (typeof value === 'number') return isShort(Math.abs(value)) ? value : String(value);
  return mapValues(value, storable);
}

const isShort = (size: number) => size === 0 || (size >= 1e-9 && size < 1e15);

function shorten(value: unknown, cap: number): unknown {
  if (typeof value !== 'string') return mapValues(value, (inner) => shorten(inner, cap));
  if (value.length <= cap) return value;
  const half = Math.floor(cap / 2);
  const kept = (part: string) => part.replace(/\p{Surrogate}/gu, '');
  return `${kept(value.slice(0, half))}\n… ${value.length - 2 * half} characters omitted …\n${kept(value.slice(-half))}`;
}

function mapValues(value: unknown, map: (inner: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(map);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [map(key), map(inner)]));
}
