import { Prisma } from '../generated/client.ts';

const READS = new Set([
  'findUnique',
  'findUniqueOrThrow',
  'findFirst',
  'findFirstOrThrow',
  'findMany',
  'count',
  'aggregate',
  'groupBy',
  '$queryRaw',
  '$queryRawUnsafe',
]);

/**
 * The client without its writes, nested ones included: they are operations that write. Raw SQL may hide one, which the
 * transaction refuses, because it only reads.
 */
export const readsOnly = <Client extends { $extends(extension: object): object }>(client: Client): Client =>
  client.$extends(extension) as Client;

const extension = Prisma.defineExtension({
  name: 'reads-only',
  query: {
    $allOperations: ({ model, operation, args, query }) => {
      if (READS.has(operation)) return query(args);
      throw Object.assign(
        new Error(
          `${model ? `${model}.${operation}` : operation} writes, and a replica is only read\nuse asUser(claims) without onReplica()`,
        ),
        { name: 'ReplicaWrite' },
      );
    },
  },
});

/** Whether the error is that of a write by way of `onReplica`, refused before anything was sent. */
export const isReplicaWrite = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ReplicaWrite';
