import { type Broadcast, encode, encodeBroadcast, type Frame, type Version } from './frame.ts';
import { createPresence, type Presence } from './presence.ts';

/** A channel of one connection. */
export interface Member {
  version: Version;
  /** What its policies, and its configuration, let it receive. */
  receives: { broadcast: boolean; presence: boolean };
  send(frame: Frame): void;
}

export interface Topic {
  presence: Presence<Member>;
  /** To all members but `except`. */
  broadcast(broadcast: Broadcast, except?: Member): void;
}

/** The joined topics. A public and a private topic of one name are two topics. */
export interface Topics {
  join(name: string, isPrivate: boolean, member: Member): Topic;
  leave(name: string, isPrivate: boolean, member: Member): void;
  /** Undefined when nobody has joined it. */
  find(name: string, isPrivate: boolean): Topic | undefined;
}

export function createTopics(): Topics {
  const topics = new Map<string, Topic & { members: Set<Member> }>();
  const keyOf = (name: string, isPrivate: boolean) => `${isPrivate ? 'private' : 'public'}:${name}`;

  return {
    join(name, isPrivate, member) {
      const key = keyOf(name, isPrivate);
      const topic = topics.get(key) ?? createTopic(`realtime:${name}`);
      topics.set(key, topic);
      topic.members.add(member);
      return topic;
    },
    leave(name, isPrivate, member) {
      const key = keyOf(name, isPrivate);
      const topic = topics.get(key);
      if (!topic?.members.delete(member)) return;
      topic.presence.untrack(member);
      if (topic.members.size === 0) topics.delete(key);
    },
    find: (name, isPrivate) => topics.get(keyOf(name, isPrivate)),
  };
}

function createTopic(topic: string): Topic & { members: Set<Member> } {
  const members = new Set<Member>();
  const sendAll = (
    kind: keyof Member['receives'],
    frameFor: (version: Version) => Frame | undefined,
    except?: Member,
  ) => {
    // No frame carries a join_ref, so members of one protocol share it.
    const frames = new Map<Version, Frame | undefined>();
    for (const member of members) {
      if (member === except || !member.receives[kind]) continue;
      if (!frames.has(member.version)) frames.set(member.version, frameFor(member.version));
      const frame = frames.get(member.version);
      if (frame) member.send(frame);
    }
  };
  return {
    members,
    presence: createPresence((diff) => {
      const address = { joinRef: null, ref: null, topic, event: 'presence_diff' };
      const payload = JSON.stringify(diff);
      sendAll('presence', (version) => encode(version, address, payload));
    }),
    broadcast: (broadcast, except) =>
      sendAll('broadcast', (version) => encodeBroadcast(version, topic, broadcast), except),
  };
}
