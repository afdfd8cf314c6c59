import { randomBytes } from 'node:crypto';

interface Meta {
  phx_ref: string;
  [name: string]: unknown;
}

type Metas = Record<string, { metas: Meta[] }>;

interface PresenceDiff {
  joins: Metas;
  leaves: Metas;
}

/** Who is present in one topic, as Phoenix.Presence tells it: a list of metas for each key. */
export interface Presence<Member> {
  /** Makes `member` present under `key`, or replaces what it tracks. */
  track(member: Member, key: string, payload: object): void;
  untrack(member: Member): void;
  /** Everybody, for one who joins; changes that were not told yet are told to the others first. */
  state(): Metas;
}

// Many who come or go at once are told of in one message.
const GATHER_MILLISECONDS = 25;

/** @param tell receives the gathered changes of the topic. */
export function createPresence<Member>(tell: (diff: PresenceDiff) => void): Presence<Member> {
  const present = new Map<Member, { key: string; meta: Meta }>();
  let joins: { key: string; meta: Meta }[] = [];
  let leaves: { key: string; meta: Meta }[] = [];
  let timer: NodeJS.Timeout | undefined;

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const [joined, left] = [byKey(joins), byKey(leaves)];
    const [anyJoined, anyLeft] = [joins.length > 0, leaves.length > 0];
    joins = [];
    leaves = [];
    // Two messages: of a key that both joins and leaves in one, realtime-js 2.109 forgets to remove what left.
    if (anyLeft) tell({ joins: {}, leaves: left });
    if (anyJoined) tell({ joins: joined, leaves: {} });
  };
  const flushSoon = () => {
    timer ??= setTimeout(flush, GATHER_MILLISECONDS);
  };
  const untrack = (member: Member) => {
    const left = present.get(member);
    if (!left) return;
    present.delete(member);
    // Nobody was told that it joined.
    if (joins.includes(left)) joins = joins.filter((joined) => joined !== left);
    else leaves.push(left);
    flushSoon();
  };

  return {
    track(member, key, payload) {
      const before = present.get(member);
      untrack(member);
      const meta: Meta = { ...payload, phx_ref: randomBytes(9).toString('base64url') };
      if (before) meta.phx_ref_prev = before.meta.phx_ref;
      const joined = { key, meta };
      present.set(member, joined);
      joins.push(joined);
      flushSoon();
    },
    untrack,
    state() {
      flush();
      return byKey([...present.values()]);
    },
  };
}

function byKey(entries: { key: string; meta: Meta }[]): Metas {
  // A key may be named __proto__.
  const metas: Metas = Object.create(null);
  for (const { key, meta } of entries) {
    metas[key] ??= { metas: [] };
    metas[key].metas.push(meta);
  }
  return metas;
}
