// An event may come from a worker that is newer than this page: what is missing, or of another type, is passed over.

/** A text of a payload; '' where there is none. */
export function text(payload: unknown, name: string): string {
  const value = field(payload, name);
  return typeof value === 'string' ? value : '';
}

/** A number of a payload; null where there is none. */
export function number(payload: unknown, name: string): number | null {
  const value = field(payload, name);
  return typeof value === 'number' ? value : null;
}

const field = (payload: unknown, name: string): unknown =>
  typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>)[name] : undefined;
