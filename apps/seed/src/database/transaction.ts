import { Prisma, type ServiceClient } from '@mobvibe/db';
import type { NamedDataSet } from '../options.ts';
import { explained } from './explained.ts';
import { lockOf } from './lock.ts';
import { type Table, type Transaction, tables } from './tables.ts';

const TIMEOUT_MS = 120_000;

/**
 * Runs `task` in one transaction: all of it happens, or nothing, wherever it is interrupted. Two seeds of one
 * data set wait for each other.
 * @throws CommandError for what a caller can put right: a missing migration, a missing right, a row in the way.
 */
export async function inTransaction<T>(
  client: ServiceClient,
  dataSet: Pick<NamedDataSet, 'name'>,
  task: (tx: Transaction, tables: Table[]) => Promise<T>,
): Promise<T> {
  try {
    return await client.$transaction(
      async (tx) => {
        await tx.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${lockOf(dataSet)}, 0))`;
        return task(tx, await tablesOf(tx));
      },
      { timeout: TIMEOUT_MS },
    );
  } catch (error) {
    const refused = refusalOf(error);
    throw explained(error, refused?.originalCode, refused?.originalMessage);
  }
}

// Only the platform knows which of its own tables it has.
async function tablesOf(tx: Transaction): Promise<Table[]> {
  const [row] = await tx.$queryRaw<{ there: boolean }[]>`
    select to_regclass('auth.identities') is not null as there`;
  return tables.filter(({ name }) => name !== 'auth.identities' || row?.there);
}

interface Refusal {
  originalCode?: string;
  originalMessage?: string;
}

/** What Postgres said, below what Prisma makes of it. */
function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined;
  return (error.meta?.driverAdapterError as { cause?: Refusal } | undefined)?.cause;
}
