import { oneLine } from '@mobvibe/cli';
import type { Pool } from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import type { Caller } from '../tokens.ts';
import { encode, type Frame, type Version } from './frame.ts';
import type { Limits } from './limits.ts';
import { type Change, type Decision, decideChanges } from './row-access.ts';
import { checkSubscription, isFor, type Subscription } from './subscription.ts';

/** A channel that follows tables. */
export interface Follower {
  topic: string;
  version: Version;
  caller(): Caller;
  send(frame: Frame): void;
  /** Changes were lost: it has to join again. */
  interrupt(): void;
}

/** postgres_changes: who follows which tables, and what of each transaction they may see. */
export interface Changes {
  /**
   * Follows what is wished from now on.
   * @throws an error with isUnfitSubscription when one of the wishes cannot be met; then none is followed.
   */
  follow(follower: Follower, subscriptions: Subscription[]): Promise<void>;
  unfollow(follower: Follower): void;
  /** Takes a message of the replication stream. */
  take(message: Pgoutput.Message): void;
  /** The stream is lost: what was not decided yet is forgotten. */
  reset(): void;
}

// One query decides that many changes of a table.
const BATCH = 500;
const PUBLICATION = 'supabase_realtime';

export function createChanges(pool: Pool, limits: Limits, log: (line: string) => void): Changes {
  const followers = new Map<Follower, Subscription[]>();
  let transaction: Change[] = [];
  let committed: Change[] = [];
  let deciding = false;

  // Asked once a transaction and table: a seed changes many rows of few tables.
  const wantedTables = new Map<Pgoutput.MessageRelation, boolean>();
  const wanted = (relation: Pgoutput.MessageRelation) => {
    const known = wantedTables.get(relation);
    if (known !== undefined) return known;
    const { schema, name } = relation;
    const found = [...followers.values()].flat().some((subscription) => isFor(subscription, schema, name));
    wantedTables.set(relation, found);
    return found;
  };

  const decide = async () => {
    if (deciding) return;
    deciding = true;
    while (committed.length > 0) {
      const batch = committed.splice(0, BATCH);
      try {
        const decisions = await decideChanges(pool, batch, followers, limits.recordBytes);
        for (const decision of decisions) deliver(decision);
      } catch (error) {
        log(`postgres_changes: ${batch.length} changes lost: ${oneLine(error)}`);
        interruptAll();
      }
    }
    deciding = false;
  };

  const deliver = ({ follower, ids, data }: Decision) => {
    // It may have left while its changes were decided.
    if (!followers.has(follower)) return;
    const address = { joinRef: null, ref: null, topic: follower.topic, event: 'postgres_changes' };
    follower.send(encode(follower.version, address, `{"ids":${JSON.stringify(ids)},"data":${data}}`));
  };

  const interruptAll = () => {
    for (const follower of [...followers.keys()]) follower.interrupt();
  };

  return {
    async follow(follower, subscriptions) {
      for (const subscription of subscriptions) {
        await checkSubscription(pool, PUBLICATION, subscription, follower.caller());
      }
      followers.set(follower, subscriptions);
    },
    unfollow(follower) {
      followers.delete(follower);
    },
    take(message) {
      switch (message.tag) {
        case 'begin':
          transaction = [];
          wantedTables.clear();
          break;
        case 'insert':
        case 'update':
        case 'delete':
          if (wanted(message.relation)) transaction.push({ message, committedAt: '' });
          break;
        case 'commit': {
          if (transaction.length === 0) break;
          const committedAt = new Date(Number(message.commitTime.valueOf() / 1000n)).toISOString();
          committed.push(...transaction.map((change) => ({ ...change, committedAt })));
          transaction = [];
          if (committed.length > limits.waitingChanges) {
            log(
              `postgres_changes: more than ${limits.waitingChanges} changes wait; all followers join again`,
            );
            committed = [];
            interruptAll();
          }
          void decide();
          break;
        }
      }
    },
    reset() {
      transaction = [];
      committed = [];
    },
  };
}
