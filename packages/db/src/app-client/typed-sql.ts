import type { TypedSql } from '@prisma/client/runtime/client';
import { Prisma } from '../generated/client.ts';

/**
 * `$queryRawTyped`, which the generated client has only with the preview feature typedSql. Raw SQL like any other: of one
 * statement, in the user's role, alone as well as in a transaction.
 */
export const typedSql = Prisma.defineExtension({
  name: 'typed-sql',
  client: {
    $queryRawTyped<Row>(query: TypedSql<readonly unknown[], Row>): Prisma.PrismaPromise<Row[]> {
      const client = Prisma.getExtensionContext(this) as unknown as RawQueries;
      return client.$queryRawUnsafe<Row[]>(query.sql, ...query.values);
    },
  },
});

interface RawQueries {
  $queryRawUnsafe<Rows>(sql: string, ...values: unknown[]): Prisma.PrismaPromise<Rows>;
}
