import { createHash } from 'node:crypto';

/**
 * Which shard a user lives on: the one whose name, hashed together with the user's id, gives the highest number
 * (rendezvous hashing). Every program comes to the same answer with nothing but the list of names; and when a shard is
 * added, only its own share of the users moves, all of them to it. Postgres' own hash partitioning
 * (`satisfies_hash_partition`) would move nearly all: it takes the remainder by the number of partitions.
 * @param moved users that live elsewhere than their hash says
 */
export function shardOf(
  userId: string,
  shards: readonly string[],
  moved: ReadonlyMap<string, string> = new Map(),
): string {
  const elsewhere = moved.get(userId);
  if (elsewhere !== undefined) return elsewhere;
  const [first, ...others] = shards.map((shard) => ({ shard, weight: weightOf(shard, userId) }));
  if (!first) throw new Error('there is no shard');
  return others.reduce((best, each) => (each.weight.compare(best.weight) > 0 ? each : best), first).shard;
}

const weightOf = (shard: string, userId: string): Buffer =>
  createHash('sha256').update(`${shard}\0${userId.toLowerCase()}`).digest();
