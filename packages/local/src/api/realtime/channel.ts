import { randomUUID } from 'node:crypto';
import { oneLine } from '@mobvibe/cli';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { Caller, VerifyKeyOrToken } from '../tokens.ts';
import type { Changes, Follower } from './changes.ts';
import { type Broadcast, broadcastJson, encode, type Frame, type Message, type Version } from './frame.ts';
import type { Limits } from './limits.ts';
import { askPolicies, OPEN, type Policies } from './policies.ts';
import { createSubscription, isUnfitSubscription, wishSchema } from './subscription.ts';
import type { Member, Topics } from './topics.ts';

/** What all connections share. */
export interface Services {
  pool: Pool;
  limits: Limits;
  privateOnly: boolean;
  topics: Topics;
  changes: Changes;
  verify: VerifyKeyOrToken;
  /** Whether the replication stream is there, or comes soon. */
  streamReady(): Promise<boolean>;
  /** Counts a join; true when there are too many. */
  tooManyJoins(): boolean;
  log(line: string): void;
}

/** Where a channel writes to. */
export interface Outlet {
  version: Version;
  /** The owner of the key that the connection was opened with. */
  caller: Caller;
  send(frame: Frame): void;
}

/** A joined channel. */
export interface Channel {
  joinRef: string | null;
  receive(message: Message): Promise<void> | undefined;
  /** Ends it; `event` tells the client: `phx_error` lets it join again, `phx_close` does not. */
  close(event?: 'phx_close' | 'phx_error'): void;
}

export const TOPIC_PREFIX = 'realtime:';
// A token may live for years, and a timer for 24 days.
const LONGEST_TIMER_SECONDS = 3600;

// realtime-js 2.109 looks keys up in a plain object: one of these would throw in every client of the topic.
const presenceKeySchema = z.string().refine((key) => !(key in Object.prototype), 'a reserved name');

const joinSchema = z.object({
  access_token: z.string().nullish(),
  user_token: z.string().nullish(),
  config: z
    .object({
      private: z.boolean().nullish(),
      broadcast: z.object({ ack: z.boolean().nullish(), self: z.boolean().nullish() }).nullish(),
      presence: z.object({ key: presenceKeySchema.nullish(), enabled: z.boolean().nullish() }).nullish(),
      postgres_changes: z.array(wishSchema).nullish(),
    })
    .nullish(),
});
const broadcastSchema = z.object({ event: z.string(), payload: z.unknown() });
const presenceSchema = z.object({
  event: z.string(),
  payload: z.record(z.string(), z.unknown()).default({}),
});
const tokenSchema = z.object({ access_token: z.string() });

function describeIssue({ issues: [first] }: z.ZodError): string {
  return `${first?.path.join('.')}: ${first?.message}`;
}

/** Why somebody may not join, in the words of the platform. */
const isJoinRefusal = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'JoinRefusal';

function refusal(message: string): Error {
  return Object.assign(new Error(message), { name: 'JoinRefusal' });
}

/**
 * Joins a topic and answers the client, whatever comes of it.
 * @returns undefined when the join is refused.
 */
export async function joinChannel(
  services: Services,
  outlet: Outlet,
  message: Message,
  onClose: () => void,
): Promise<Channel | undefined> {
  try {
    return await admit(services, outlet, message, onClose);
  } catch (error) {
    if (!isJoinRefusal(error)) services.log(`join failed: ${oneLine(error)}`);
    const reason = isJoinRefusal(error)
      ? error.message
      : 'UnableToConnectToProject: Realtime was unable to connect to the project database';
    reply(outlet, message, 'error', { reason });
    return undefined;
  }
}

/** Answers one message. */
export function reply(
  { version, send }: Outlet,
  { joinRef, ref, topic }: Message,
  status: 'ok' | 'error',
  response: object,
): void {
  send(encode(version, { joinRef, ref, topic, event: 'phx_reply' }, JSON.stringify({ status, response })));
}

async function admit(
  services: Services,
  outlet: Outlet,
  message: Message,
  onClose: () => void,
): Promise<Channel> {
  const { limits, topics, changes, pool } = services;
  const { joinRef, topic: channelTopic } = message;
  const name = channelTopic.slice(TOPIC_PREFIX.length);
  if (name === '') throw refusal('TopicNameRequired: You must provide a topic name');
  // The database would refuse it, over and over: clients join again.
  if (name.includes('\0')) throw refusal('InvalidTopic: A topic name must not contain NUL');
  const join = joinSchema.safeParse(message.payload ?? {});
  if (!join.success) throw refusal(`InvalidJoinPayload: ${describeIssue(join.error)}`);
  if (services.tooManyJoins()) throw refusal('ClientJoinRateLimitReached: Too many joins per second');
  const config = join.data.config ?? {};
  const isPrivate = config.private === true;
  if (services.privateOnly && !isPrivate) {
    throw refusal('PrivateOnly: This project only allows private channels');
  }
  const presenceKey = config.presence?.key || randomUUID();

  let token = join.data.user_token ?? join.data.access_token ?? undefined;
  let caller = await identify(services, outlet, token);
  let policies: Policies = isPrivate ? await askPolicies(pool, name, caller) : OPEN;
  if (!policies.broadcast.read && !policies.presence.read) throw refusal(`Unauthorized: ${noRead(name)}`);
  // Last: whoever is a member when the stream is lost is told, whoever is about to become one would not be.
  if (!(await services.streamReady())) {
    throw refusal('InitializingProjectConnection: Realtime is initializing the project connection');
  }

  let open = true;
  let presenceEnabled = config.presence?.enabled ?? true;
  let expiry: NodeJS.Timeout | undefined;

  const push = (event: string, payload: object, ref: string | null = null) =>
    outlet.send(
      encode(outlet.version, { joinRef, ref, topic: channelTopic, event }, JSON.stringify(payload)),
    );
  const system = (extension: string, status: 'ok' | 'error', text: string) =>
    push('system', { extension, status, message: text, channel: name });

  const member: Member = {
    version: outlet.version,
    receives: { broadcast: false, presence: false },
    send: outlet.send,
  };
  const follower: Follower = {
    topic: channelTopic,
    version: outlet.version,
    caller: () => caller,
    send: outlet.send,
    interrupt: () => close('phx_error'),
  };

  const applyPolicies = () => {
    member.receives = {
      broadcast: policies.broadcast.read,
      presence: presenceEnabled && policies.presence.read,
    };
  };

  const close: Channel['close'] = (event) => {
    if (!open) return;
    open = false;
    clearTimeout(expiry);
    topics.leave(name, isPrivate, member);
    changes.unfollow(follower);
    if (event) push(event, {}, joinRef);
    onClose();
  };
  const shutDown = (reason: string) => {
    system('system', 'error', reason);
    close('phx_close');
  };

  const watchExpiry = () => {
    clearTimeout(expiry);
    const left = secondsLeft(caller);
    if (left === undefined) return;
    if (left <= 0) return shutDown(`Token has expired ${Math.ceil(-left)} seconds ago`);
    expiry = setTimeout(watchExpiry, Math.min(left, LONGEST_TIMER_SECONDS) * 1000);
  };

  const topic = topics.join(name, isPrivate, member);
  const syncPresence = () => {
    if (member.receives.presence) push('presence_state', topic.presence.state());
  };

  const broadcast = (incoming: Message) => {
    const { ack, self } = config.broadcast ?? {};
    const sent = incoming.broadcast ?? broadcastOf(incoming.payload);
    let reason: string | undefined;
    if (!sent) reason = 'a broadcast needs an event';
    else if (!policies.broadcast.write) reason = noWrite(name);
    else if (sizeOf(sent) > limits.messageBytes) reason = 'payload_size_exceeded';
    else topic.broadcast(sent, self ? undefined : member);
    if (ack) reply(outlet, incoming, reason ? 'error' : 'ok', reason ? { reason } : {});
  };

  const track = (payload: Record<string, unknown>) => {
    topic.presence.track(member, presenceKey, payload);
    if (presenceEnabled) return;
    // Whoever tracks wants to know who else is there.
    presenceEnabled = true;
    applyPolicies();
    syncPresence();
  };

  const presence = (incoming: Message) => {
    const { data: asked } = presenceSchema.safeParse(incoming.payload);
    const event = asked?.event.toLowerCase();
    let reason: string | undefined;
    if (event === 'untrack') topic.presence.untrack(member);
    else if (event !== 'track' || !asked) reason = 'Presence track payload must be a map';
    else if (!policies.presence.write) reason = noWrite(name);
    else if (JSON.stringify(asked.payload).length > limits.messageBytes) reason = 'payload_size_exceeded';
    else track(asked.payload);
    reply(outlet, incoming, reason ? 'error' : 'ok', reason ? { reason } : {});
  };

  const renew = async (incoming: Message) => {
    const fresh = tokenSchema.safeParse(incoming.payload).data?.access_token;
    // A key says nothing new about the user.
    if (fresh === undefined || fresh.startsWith('sb_') || fresh === token) return;
    try {
      const next = await identify(services, outlet, fresh);
      const allowed = isPrivate ? await askPolicies(pool, name, next) : OPEN;
      if (!open) return;
      const revoked = (['broadcast', 'presence'] as const).some(
        (extension) => policies[extension].read && !allowed[extension].read,
      );
      if (revoked) {
        return shutDown(`You no longer have permission to read from this Channel topic: ${name}`);
      }
      [token, caller, policies] = [fresh, next, allowed];
      applyPolicies();
      watchExpiry();
    } catch (error) {
      if (isJoinRefusal(error)) return shutDown(error.message);
      services.log(`token not renewed: ${oneLine(error)}`);
      shutDown('Realtime was unable to connect to the project database');
    }
  };

  applyPolicies();
  const subscriptions = (config.postgres_changes ?? []).map(createSubscription);
  reply(outlet, message, 'ok', { postgres_changes: subscriptions.map(({ wish, id }) => ({ ...wish, id })) });
  syncPresence();
  watchExpiry();
  if (subscriptions.length > 0) {
    void changes
      .follow(follower, subscriptions)
      .then(() => {
        if (!open) return changes.unfollow(follower);
        system('postgres_changes', 'ok', 'Subscribed to PostgreSQL');
      })
      .catch((error) => {
        if (!open) return;
        if (isUnfitSubscription(error)) return system('postgres_changes', 'error', error.message);
        services.log(`postgres_changes: not subscribed: ${oneLine(error)}`);
        close('phx_error');
      });
  }

  return {
    joinRef,
    close,
    receive(incoming) {
      // What there is no handler for is ignored, as on the platform.
      if (incoming.event === 'access_token') return renew(incoming);
      if (incoming.event === 'broadcast') broadcast(incoming);
      if (incoming.event === 'presence') presence(incoming);
      if (incoming.event === 'phx_leave') {
        reply(outlet, incoming, 'ok', {});
        close('phx_close');
      }
      return undefined;
    },
  };
}

// Nothing but what a broadcast consists of: other members could pass for another message in the client.
function broadcastOf(source: unknown): Broadcast | undefined {
  const { data } = broadcastSchema.safeParse(source);
  return data && { json: broadcastJson(data.event, JSON.stringify(data.payload ?? {})) };
}

const sizeOf = (broadcast: Broadcast) =>
  'json' in broadcast ? Buffer.byteLength(broadcast.json) : broadcast.bytes.length;

const noWrite = (name: string) => `You do not have permissions to write to this Channel topic: ${name}`;
const noRead = (name: string) => `You do not have permissions to read from this Channel topic: ${name}`;

// The key of the connection stands in where no token is given.
async function identify(services: Services, outlet: Outlet, token: string | undefined): Promise<Caller> {
  const caller =
    token === undefined || token.startsWith('sb_')
      ? outlet.caller
      : await services.verify(token).catch(() => {
          throw refusal('InvalidJWTToken: The token is malformed, expired, or signed by somebody else');
        });
  const left = secondsLeft(caller);
  if (left !== undefined && left <= 0) {
    throw refusal(`InvalidJWTToken: Token has expired ${Math.ceil(-left)} seconds ago`);
  }
  return caller;
}

function secondsLeft({ claims }: Caller): number | undefined {
  return typeof claims.exp === 'number' ? claims.exp - Date.now() / 1000 : undefined;
}
