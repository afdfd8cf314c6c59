import { step } from '@mobvibe/cli';
import {
  type AppClient,
  type Claims,
  createAppClient,
  createServiceClient,
  loginUrl,
  type PrismaClient,
  type UserClient,
} from '@mobvibe/db';
import type { Run } from '../core/benchmark.ts';
import { groupOf, ratioCheck } from '../core/group.ts';
import { type Contender, interleave, throughput, timed } from '../core/interleave.ts';
import type { Group, Target } from '../core/result.ts';
import type { Person } from './fill.ts';

const OPERATIONS = 50;
const PARALLEL = 10;
const PARALLEL_OPERATIONS = 100;

/** One way to read a row with Prisma. */
interface Way {
  name: string;
  /** Of its median duration, as a multiple of the first way's. */
  target?: Target;
  /** Reads the person's project, as a request of theirs does it from beginning to end. */
  read(person: Person, query: Query): Promise<unknown>;
}

/** What all kinds of client have in common here. */
interface Projects {
  project: {
    findUniqueOrThrow(args: ById): Promise<unknown>;
    findFirstOrThrow(args: ById): Promise<unknown>;
  };
}
interface ById {
  where: { id: string };
}
type Query = (client: Projects, id: string) => Promise<unknown>;

const unique: Query = (client, id) => client.project.findUniqueOrThrow({ where: { id } });
// Prisma joins the findUnique calls of one tick into one query, which would be those of other requests here.
const first: Query = (client, id) => client.project.findFirstOrThrow({ where: { id } });

/** A project by id: by a client that knows no user, by ours for a user, and in the ways that others go for one. */
export async function measurePointReads(run: Run, everybody: Person[]): Promise<Group[]> {
  const people = everybody.slice(0, OPERATIONS);
  const { url } = run.server.target;
  const options = { poolSize: PARALLEL };
  const plain = stock(createServiceClient({ ...options, url }));
  const login = stock(createServiceClient({ ...options, url: loginUrl('mobvibe_app', { url }) }));
  const app = createAppClient({ ...options, url });
  try {
    const ways: Way[] = [
      plainClient(plain),
      { ...asUserAgain(app, people), target: { atMost: 1.2 } },
      { ...asUser(app), target: { atMost: 1.2 } },
      extension(login),
      interactive(login),
    ];
    return [
      await compare(run, 'a project by id, one after another', 'ms', ways, ({ read }) => {
        const next = inTurn(people);
        return () => timed(OPERATIONS, () => read(next(), unique));
      }),
      await compare(
        run,
        `a project by id, ${PARALLEL} at a time over ${PARALLEL} connections`,
        'per second',
        ways,
        ({ read }) => {
          const next = inTurn(people);
          return () => throughput(PARALLEL_OPERATIONS, PARALLEL, () => read(next(), first));
        },
      ),
    ];
  } finally {
    await Promise.all([plain.$disconnect(), login.$disconnect(), app.$disconnect()]);
  }
}

async function compare(
  run: Run,
  title: string,
  unit: Group['unit'],
  ways: Way[],
  sliceOf: (way: Way) => Contender['slice'],
): Promise<Group> {
  const contenders = ways.map((way) => ({ name: way.name, slice: sliceOf(way) }));
  const series = await step(title, (progress) => interleave(contenders, { ...run, progress }));
  const [plain, ...others] = series;
  const targetOf = (index: number) => (unit === 'ms' ? ways[index]?.target : undefined);
  const checks = plain ? others.map((way, index) => ratioCheck(way, plain, targetOf(index + 1))) : [];
  return groupOf(title, unit, series, checks);
}

/** Every contender asks for the same people in the same order. */
function inTurn(people: Person[]): () => Person {
  let turn = 0;
  return () => people[turn++ % people.length] as Person;
}

const plainClient = (client: PrismaClient): Way => ({
  name: 'plain client',
  read: ({ projectId }, query) => query(client, projectId),
});

const asUser = (app: AppClient): Way => ({
  name: 'asUser, made for the read',
  read: ({ id, projectId }, query) => query(app.asUser(claimsOf(id)), projectId),
});

/** The user's client is there already, as at every read of a request but the first. */
const asUserAgain = (app: AppClient, people: Person[]): Way => {
  const clients = new Map(people.map(({ id }) => [id, app.asUser(claimsOf(id))]));
  return {
    name: 'asUser',
    read: ({ id, projectId }, query) => query(clients.get(id) as UserClient, projectId),
  };
};

// https://github.com/prisma/prisma-client-extensions/tree/main/row-level-security
const extension = (client: PrismaClient): Way => ({
  name: '$extends with a batch',
  read: ({ id, projectId }, query) => {
    const extended = client.$extends({
      query: {
        $allModels: {
          $allOperations: async ({ args, query: operation }) => {
            const [, result] = await client.$transaction([become(client, id), operation(args)]);
            return result;
          },
        },
      },
    });
    return query(extended, projectId);
  },
});

const interactive = (client: PrismaClient): Way => ({
  name: 'interactive $transaction',
  read: ({ id, projectId }, query) =>
    client.$transaction(async (tx) => {
      await become(tx, id);
      return query(tx, projectId);
    }),
});

const claimsOf = (id: string): Claims => ({ sub: id, role: 'authenticated' });

const become = (client: Pick<PrismaClient, '$executeRaw'>, id: string) =>
  client.$executeRaw`select set_config('role', 'authenticated', true),
    set_config('request.jwt.claims', ${JSON.stringify(claimsOf(id))}, true)`;

/** The client as Prisma generates it, beneath our extension. */
const stock = (client: object): PrismaClient => Reflect.get(client, '$parent');
