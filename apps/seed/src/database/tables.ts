import { readFile } from 'node:fs/promises';
import { Prisma, type ServiceClient } from '@mobvibe/db';
import type { Rows } from '../rows.ts';
import { noProfile } from './explained.ts';

/** The client inside a transaction. */
export type Transaction = Parameters<Parameters<ServiceClient['$transaction']>[0]>[0];

/** One table of a data set: how its rows are found again, and how they are written. */
export interface Table {
  /** As in SQL. */
  name: string;
  /** How many rows the data set has for it. */
  count(rows: Rows): number;
  /** What of the data set is missing in the database. */
  missing(tx: Transaction, rows: Rows): Promise<Missing>;
  /** How many rows the users of the data set have there, whoever made them. */
  countOfUsers(tx: Transaction, userIds: string[]): Promise<number>;
}

export interface Missing {
  count: number;
  insert(tx: Transaction): Promise<void>;
  /** Puts right what triggers made of these rows while the tables after them were filled. */
  settle(tx: Transaction): Promise<void>;
}

interface Access<Name extends keyof Rows> {
  key(row: Rows[Name][number]): string;
  /** The keys of those rows that the database holds. */
  find(tx: Transaction, rows: Rows[Name]): Promise<string[]>;
  insert(tx: Transaction, rows: Rows[Name]): Promise<unknown>;
  settle?(tx: Transaction, rows: Rows[Name]): Promise<unknown>;
  countOfUsers(tx: Transaction, userIds: string[]): Promise<number>;
}

const idsOf = (rows: { id: string }[]) => rows.map((row) => row.id);
const inIds = (rows: { id: string }[]) => ({ where: { id: { in: idsOf(rows) } }, select: { id: true } });
const ofUsers = (ids: string[]) => ({ where: { userId: { in: ids } } });
const eventKey = (event: { sessionId: string; seq: bigint }) => `${event.sessionId}/${event.seq}`;
const attemptKey = (attempt: { jobId: string; attempt: number }) => `${attempt.jobId}/${attempt.attempt}`;
const json = (value: Prisma.JsonValue) => (value === null ? Prisma.DbNull : (value as Prisma.InputJsonValue));

/** Every table, in the order in which rows can be inserted. */
export const tables: Table[] = [
  table('private.workers', 'workers', {
    key: (row) => row.id,
    find: async (tx, rows) => idsOf(await tx.worker.findMany(inIds(rows))),
    insert: (tx, rows) => tx.worker.createMany({ data: rows }),
    countOfUsers: async () => 0,
  }),
  table('auth.users', 'users', {
    key: (row) => row.id,
    find: async (tx, rows) => idsOf(await tx.user.findMany(inIds(rows))),
    insert: (tx, rows) =>
      tx.user.createMany({
        data: rows.map(({ rawAppMetaData, rawUserMetaData, ...row }) => ({
          ...row,
          rawAppMetaData: json(rawAppMetaData),
          rawUserMetaData: json(rawUserMetaData),
        })),
      }),
    countOfUsers: (tx, ids) => tx.user.count({ where: { id: { in: ids } } }),
  }),
  table('auth.identities', 'identities', {
    key: (row) => row.id,
    find: async (tx, rows) =>
      idsOf(await tx.$queryRaw`select id from auth.identities where id = any (${idsOf(rows)}::uuid[])`),
    // Unsafe by its name only: the text is a file of ours, the rows are a parameter.
    insert: async (tx, rows) => tx.$executeRawUnsafe(await sql('insert_identities'), JSON.stringify(rows)),
    countOfUsers: async (tx, ids) => {
      const [row] = await tx.$queryRaw<{ count: number }[]>`
        select count(*)::integer as count from auth.identities where user_id = any (${ids}::uuid[])`;
      return row?.count ?? 0;
    },
  }),
  table('public.profiles', 'profiles', {
    key: (row) => row.id,
    find: async (tx, rows) => idsOf(await tx.profile.findMany(inIds(rows))),
    // The trigger on auth.users has made them: what is missing is what the scenario adds.
    insert: async (tx, rows) => {
      for (const { id, ...data } of rows) {
        const { count } = await tx.profile.updateMany({ where: { id }, data });
        if (count !== 1) throw noProfile();
      }
    },
    // Open jobs were counted as if they had been enqueued just now.
    settle: async (tx, rows) => {
      for (const { id, jobsUsed, tokensUsed, usagePeriodStart } of rows) {
        await tx.profile.update({ where: { id }, data: { jobsUsed, tokensUsed, usagePeriodStart } });
      }
    },
    countOfUsers: (tx, ids) => tx.profile.count({ where: { id: { in: ids } } }),
  }),
  table('public.projects', 'projects', {
    key: (row) => row.id,
    find: async (tx, rows) => idsOf(await tx.project.findMany(inIds(rows))),
    insert: (tx, rows) =>
      tx.project.createMany({
        data: rows.map(({ expoConfig, ...row }) => ({
          ...row,
          expoConfig: expoConfig as Prisma.InputJsonObject,
        })),
      }),
    countOfUsers: (tx, ids) => tx.project.count(ofUsers(ids)),
  }),
  table('public.coding_sessions', 'sessions', {
    key: (row) => row.id,
    find: async (tx, rows) => idsOf(await tx.codingSession.findMany(inIds(rows))),
    insert: (tx, rows) =>
      tx.codingSession.createMany({
        data: rows.map(({ metadata, ...row }) => ({ ...row, metadata: metadata as Prisma.InputJsonObject })),
      }),
    countOfUsers: (tx, ids) => tx.codingSession.count(ofUsers(ids)),
  }),
  table('public.coding_jobs', 'jobs', {
    key: (row) => row.id,
    find: async (tx, rows) => idsOf(await tx.codingJob.findMany(inIds(rows))),
    insert: (tx, rows) =>
      tx.codingJob.createMany({ data: rows.map(({ result, ...row }) => ({ ...row, result: json(result) })) }),
    countOfUsers: (tx, ids) => tx.codingJob.count(ofUsers(ids)),
  }),
  table('private.job_attempts', 'attempts', {
    key: attemptKey,
    find: async (tx, rows) => {
      const where = { jobId: { in: rows.map((row) => row.jobId) } };
      return (await tx.jobAttempt.findMany({ where, select: { jobId: true, attempt: true } })).map(
        attemptKey,
      );
    },
    insert: (tx, rows) => tx.jobAttempt.createMany({ data: rows }),
    countOfUsers: (tx, ids) => tx.jobAttempt.count(ofUsers(ids)),
  }),
  table('public.session_events', 'events', {
    key: eventKey,
    find: async (tx, rows) => {
      const where = { sessionId: { in: [...new Set(rows.map((row) => row.sessionId))] } };
      return (await tx.sessionEvent.findMany({ where, select: { sessionId: true, seq: true } })).map(
        eventKey,
      );
    },
    insert: (tx, rows) =>
      tx.sessionEvent.createMany({
        data: rows.map(({ payload, ...row }) => ({ ...row, payload: payload as Prisma.InputJsonObject })),
      }),
    countOfUsers: (tx, ids) => tx.sessionEvent.count(ofUsers(ids)),
  }),
];

function table<Name extends keyof Rows>(name: string, rowsName: Name, access: Access<Name>): Table {
  return {
    name,
    count: (rows) => rows[rowsName].length,
    countOfUsers: access.countOfUsers,
    async missing(tx, rows) {
      const wanted: Rows[Name] = rows[rowsName];
      const found = new Set(wanted.length > 0 ? await access.find(tx, wanted) : []);
      const missing = wanted.filter((row) => !found.has(access.key(row))) as Rows[Name];
      return {
        count: missing.length,
        insert: async (inner) => {
          if (missing.length > 0) await access.insert(inner, missing);
        },
        settle: async (inner) => {
          if (missing.length > 0) await access.settle?.(inner, missing);
        },
      };
    },
  };
}

const sql = (name: string) => readFile(new URL(`./sql/${name}.sql`, import.meta.url), 'utf8');
