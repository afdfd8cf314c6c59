/**
 * The wire format of Phoenix channels, protocols 1.0.0 and 2.0.0, with the binary broadcasts that Supabase added to
 * the latter. Source: supabase/realtime, lib/realtime_web/socket/v2_serializer.ex; supabase-js, realtime-js/src/lib/serializer.ts.
 */
export type Version = '1.0.0' | '2.0.0';

export const isVersion = (text: string): text is Version => text === '1.0.0' || text === '2.0.0';

/** Encoded once, sent to many. */
export interface Frame {
  data: Buffer;
  binary: boolean;
}

export interface Address {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
}

/** What a client sent. A binary frame is always a broadcast. */
export interface Message extends Address {
  payload: unknown;
  broadcast?: Broadcast;
}

/** `json` is the whole payload of a broadcast event as text: `{"type":"broadcast","event":…,"payload":…}`. */
export type Broadcast = { json: string } | { event: string; bytes: Buffer };

const USER_BROADCAST_PUSH = 3;
const USER_BROADCAST = 4;
const JSON_ENCODING = 1;
const LONGEST = 255;

/** A broadcast event's payload, whose own payload is JSON text already. */
export function broadcastJson(event: string, payload: string, id?: string): string {
  const meta = id === undefined ? '' : `,"meta":{"id":${JSON.stringify(id)}}`;
  return `{"type":"broadcast","event":${JSON.stringify(event)},"payload":${payload}${meta}}`;
}

/** Writes one message; `payload` is JSON text. */
export function encode(version: Version, to: Address, payload: string): Frame {
  const [joinRef, ref, topic, event] = [to.joinRef, to.ref, to.topic, to.event].map((part) =>
    JSON.stringify(part),
  );
  const text =
    version === '1.0.0'
      ? `{"topic":${topic},"event":${event},"payload":${payload},"ref":${ref},"join_ref":${joinRef}}`
      : `[${joinRef},${ref},${topic},${event},${payload}]`;
  return { data: Buffer.from(text), binary: false };
}

/** Undefined where the protocol has no form for it: bytes in 1.0.0, names of more than 255 bytes. */
export function encodeBroadcast(version: Version, topic: string, broadcast: Broadcast): Frame | undefined {
  if ('json' in broadcast) {
    return encode(version, { joinRef: null, ref: null, topic, event: 'broadcast' }, broadcast.json);
  }
  const names = [Buffer.from(topic), Buffer.from(broadcast.event)];
  const lengths = names.map(({ length }) => length);
  if (version === '1.0.0' || lengths.some((length) => length > LONGEST)) return undefined;
  const header = Buffer.from([USER_BROADCAST, ...lengths, 0, 0]);
  return { data: Buffer.concat([header, ...names, broadcast.bytes]), binary: true };
}

/** Undefined when the frame is none of the protocol. */
export function decode(version: Version, data: Buffer, binary: boolean): Message | undefined {
  if (binary) return version === '2.0.0' ? decodePush(data) : undefined;
  const json = parseJson(data.toString());
  if (version === '2.0.0') return Array.isArray(json) && json.length === 5 ? message(json) : undefined;
  if (typeof json !== 'object' || json === null) return undefined;
  const { join_ref, ref, topic, event, payload } = json as Record<string, unknown>;
  return message([join_ref, ref, topic, event, payload]);
}

function message([joinRef, ref, topic, event, payload]: unknown[]): Message | undefined {
  if (typeof topic !== 'string' || typeof event !== 'string') return undefined;
  return { joinRef: text(joinRef), ref: text(ref), topic, event, payload };
}

function text(ref: unknown): string | null {
  return typeof ref === 'string' || typeof ref === 'number' ? String(ref) : null;
}

// kind, five lengths, encoding; then join_ref, ref, topic, event, metadata, payload
function decodePush(data: Buffer): Message | undefined {
  const lengths = [...data.subarray(1, 6)];
  const header = 7;
  const end = lengths.reduce((sum, length) => sum + length, header);
  if (data[0] !== USER_BROADCAST_PUSH || data.length < end) return undefined;
  let offset = header;
  const [joinRef, ref, topic, event] = lengths.map((length) => {
    offset += length;
    return data.toString('utf8', offset - length, offset);
  }) as [string, string, string, string, string];
  const body = data.subarray(end);
  const push = { joinRef: joinRef || null, ref: ref || null, topic, event: 'broadcast', payload: undefined };
  if (data[6] !== JSON_ENCODING) return { ...push, broadcast: { event, bytes: body } };
  const payload = body.toString();
  // Others would fail on it.
  if (parseJson(payload) === undefined) return undefined;
  return { ...push, broadcast: { json: broadcastJson(event, payload) } };
}

/** Undefined when it is not JSON. */
export function parseJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}
