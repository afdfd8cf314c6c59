import { randomUUID } from 'node:crypto';
import {
  type AppClient,
  createAppClient,
  makeTypedQueryFactory,
  type TypedSql,
  type UserClient,
} from '@mobvibe/db';
import pg from 'pg';
import { version } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const DENIED = { meta: { driverAdapterError: { cause: { originalCode: '42501' } } } };
const claimsOf = (sub: string) => ({ sub, role: 'authenticated' });

let db: TestDatabase;
let app: AppClient;
let alice: string;
let bob: string;
let mine: UserClient;
let his: UserClient;
let project: string;
beforeAll(async () => {
  db = await createTestDatabase();
  app = createAppClient({ url: db.url, poolSize: 5 });
  [alice, bob] = [await db.createUser({ tier: 'enterprise' }), await db.createUser()];
  [mine, his] = [app.asUser(claimsOf(alice)), app.asUser(claimsOf(bob))];
});
afterAll(async () => {
  await app.$disconnect();
  await db.drop();
});
beforeEach(async () => {
  project = (await mine.project.create({ data: { name: 'Notes' } })).id;
});

// As `prisma generate --sql` writes it.
const projectById = makeTypedQueryFactory(
  'select name, user_id::text as owner from public.projects where id = $1::uuid',
) as (id: string) => TypedSql<[string], { name: string; owner: string }>;

interface Seen {
  role: string;
  user: string | null;
  timeout: string;
}
const seen = async (client: Pick<UserClient, '$queryRaw'>): Promise<Seen | undefined> => {
  const rows = await client.$queryRaw<
    Seen[]
  >`select current_user::text as role, auth.uid()::text as user, current_setting('statement_timeout') as timeout`;
  return rows[0];
};

/** The pool under a client, which nothing gives away: whoever has it can forget the user. */
const poolOf = async (client: AppClient): Promise<pg.Pool> => {
  const found: pg.Pool[] = [];
  const connect = vi.spyOn(pg.Pool.prototype, 'connect');
  // Not raw SQL: that would clear up after the one before.
  await client.asUser(claimsOf(alice)).project.count();
  found.push(...(connect.mock.contexts as pg.Pool[]));
  connect.mockRestore();
  return found[0] as pg.Pool;
};

const CLEAN = { role: 'mobvibe_app', claims: '', sub: '', timeout: '8s', path: '"$user", public' };

/** What is left on each connection of the pool, between two transactions. */
const expectCleanPool = async (client = app): Promise<void> => {
  const pool = await poolOf(client);
  const connections = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  try {
    for (const connection of connections) {
      const { rows } = await connection.query(`select current_user::text as role,
        coalesce(current_setting('request.jwt.claims', true), '') as claims, coalesce(current_setting('request.jwt.claim.sub', true), '') as sub,
        current_setting('statement_timeout') as timeout, current_setting('search_path') as path`);
      expect(rows[0]).toEqual(CLEAN);
      expect(connection.getTransactionStatus()).toBe('I');
      const left = await connection.query(`
        select name from pg_cursors where name <> '' union all select name from pg_prepared_statements where not starts_with(name, 'mobvibe_') union all select pg_listening_channels()
        union all select locktype from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
        union all select relname from pg_class where relname = 'projects' and relpersistence = 't'`);
      expect(left.rows).toEqual([]);
    }
  } finally {
    for (const connection of connections) connection.release();
  }
};

describe('every operation runs as the user', () => {
  const operations: Record<string, (client: UserClient) => Promise<unknown>> = {
    findUnique: (client) => client.project.findUnique({ where: { id: project } }),
    findFirst: (client) => client.project.findFirst({ where: { id: project } }),
    findMany: async (client) => (await client.project.findMany({ where: { id: project } }))[0],
    count: (client) => client.project.count({ where: { id: project } }),
    aggregate: async (client) =>
      (await client.project.aggregate({ where: { id: project }, _max: { name: true } }))._max.name,
    groupBy: async (client) =>
      (await client.project.groupBy({ by: ['name'], where: { id: project }, _count: true }))[0],
    updateMany: async (client) =>
      (await client.project.updateMany({ where: { id: project }, data: { name: 'x' } })).count,
    updateManyAndReturn: async (client) =>
      (await client.project.updateManyAndReturn({ where: { id: project }, data: { name: 'x' } }))[0],
    $queryRaw: async (client) =>
      (await client.$queryRaw<unknown[]>`select name from public.projects where id = ${project}::uuid`)[0],
    $queryRawUnsafe: async (client) =>
      (
        await client.$queryRawUnsafe<unknown[]>('select 1 from public.projects where id = $1::uuid', project)
      )[0],
    $queryRawTyped: async (client) => (await client.$queryRawTyped(projectById(project)))[0],
    '$queryRawTyped in a batch': async (client) =>
      (
        await client.$transaction([client.$queryRawTyped(projectById(project)), client.profile.count()])
      )[0][0],
    '$queryRawTyped in an interactive transaction': async (client) =>
      (await client.$transaction((tx) => tx.$queryRawTyped(projectById(project))))[0],
    $executeRaw: (client) =>
      client.$executeRaw`update public.projects set name = 'x' where id = ${project}::uuid`,
    $executeRawUnsafe: (client) =>
      client.$executeRawUnsafe(`update public.projects set name = 'x' where id = '${project}'`),
    'a batch': async (client) =>
      (
        await client.$transaction([client.project.count({ where: { id: project } }), client.profile.count()])
      )[0],
    'an interactive transaction': (client) =>
      client.$transaction((tx) => tx.project.count({ where: { id: project } }), {
        isolationLevel: 'Serializable',
      }),
    'findUnique in a batch of one tick': async (client) =>
      (
        await Promise.all([
          client.project.findUnique({ where: { id: project } }),
          client.project.findUnique({ where: { id: randomUUID() } }),
        ])
      )[0],
  };
  test.each(Object.entries(operations))('%s', async (_, operate) => {
    expect(await operate(his)).toBeOneOf([null, undefined, 0]);
    expect(await operate(mine)).toBeTruthy();
    await expect(operate(app.asAnon())).rejects.toThrow('42501');
  });

  test('$queryRawTyped, with what was written before it in the transaction', async () => {
    const rows = await mine.$transaction(async (tx) => {
      await tx.project.update({ where: { id: project }, data: { name: 'Changed' } });
      return tx.$queryRawTyped(projectById(project));
    });
    expect(rows).toEqual([{ name: 'Changed', owner: alice }]);
    const two = makeTypedQueryFactory('select 1; reset role') as () => TypedSql<[], unknown>;
    await expect(mine.$queryRawTyped(two())).rejects.toThrow('42601');
    await expectCleanPool();
  });

  test('create, createMany, createManyAndReturn, with ids in the order of time', async () => {
    const created = await mine.project.create({ data: { name: 'one' } });
    expect(created).toMatchObject({ userId: alice, status: 'active', template: 'blank', expoConfig: {} });
    expect(version(created.id)).toBe(7);
    expect(await mine.project.createMany({ data: [{ name: 'two' }, { name: 'three' }] })).toEqual({
      count: 2,
    });
    const [returned] = await mine.project.createManyAndReturn({ data: [{ name: 'four' }] });
    expect(returned?.userId).toBe(alice);
    await expect(mine.project.create({ data: { name: 'x', userId: bob } })).rejects.toMatchObject(DENIED);
  });

  test('update, upsert, delete', async () => {
    const change = { where: { id: project }, data: { name: 'Changed' } };
    expect(await mine.project.update(change)).toMatchObject({ name: 'Changed' });
    await expect(his.project.update(change)).rejects.toMatchObject({ code: 'P2025' });
    const id = randomUUID();
    const put = { where: { id }, create: { id, name: 'made' }, update: { name: 'changed' } };
    expect((await mine.project.upsert(put)).name).toBe('made');
    expect((await mine.project.upsert(put)).name).toBe('changed');
    await expect(his.project.upsert(put)).rejects.toMatchObject(DENIED);
    await expect(mine.project.delete({ where: { id: project } })).rejects.toMatchObject(DENIED);
  });

  test('nested writes', async () => {
    const made = await mine.project.create({
      data: {
        name: 'nested',
        sessions: { create: [{ jobs: { create: [{ prompt: 'a' }, { prompt: 'b' }] } }] },
      },
      include: { sessions: { include: { jobs: true } } },
    });
    expect(made.sessions[0]?.jobs.map((job) => [job.prompt, job.userId])).toEqual([
      ['a', alice],
      ['b', alice],
    ]);
    await expect(
      his.codingSession.create({ data: { project: { connect: { id: made.id } } } }),
    ).rejects.toMatchObject({ code: 'P2025' });
    await expect(his.codingSession.create({ data: { projectId: made.id } })).rejects.toMatchObject({
      code: 'P2003',
    });
  });

  test('a nested write that fails leaves nothing', async () => {
    const name = randomUUID();
    await expect(
      mine.project.create({ data: { name, sessions: { create: [{ status: 'completed' }] } } }),
    ).rejects.toMatchObject(DENIED);
    expect(await mine.project.count({ where: { name } })).toBe(0);
  });

  test('role, claims and the role’s timeout', async () => {
    const asAlice = { role: 'authenticated', user: alice, timeout: '8s' };
    expect(await seen(mine)).toEqual(asAlice);
    expect(await mine.$transaction((tx) => seen(tx))).toEqual(asAlice);
    expect(
      await mine.$transaction((tx) => tx.$queryRaw`show transaction_isolation`, {
        isolationLevel: 'RepeatableRead',
      }),
    ).toEqual([{ transaction_isolation: 'repeatable read' }]);
    const odd = { ...claimsOf(alice), note: `it's "odd" \\ ' ; \u0000 ü` };
    const read = () =>
      app.asUser(odd).$queryRaw<{ claims: string }[]>`select current_setting('request.jwt.claims') as claims`;
    expect(JSON.parse((await read())[0]?.claims ?? '')).toEqual(odd);
    await expect(app.asAnon().$queryRaw`select auth.uid()`).resolves.toEqual([{ uid: null }]);
    expect(
      await app.asAnon()
        .$queryRaw`select current_user::text as role, current_setting('statement_timeout') as timeout`,
    ).toEqual([{ role: 'anon', timeout: '3s' }]);
  });

  test('a statement over the timeout is ended', async () => {
    const slow = mine.$transaction(async (tx) => {
      await tx.$executeRaw`set local statement_timeout = '20ms'`;
      await tx.$queryRaw`select from pg_sleep(5)`;
    });
    await expect(slow).rejects.toThrow('57014');
    await expectCleanPool();
  });
});

test('200 users over a pool of 5 never see a row of another', async () => {
  const users: { id: string; own: string; client: UserClient }[] = [];
  for (let n = 0; n < 200; n++) {
    const id = await db.createUser();
    users.push({ id, own: randomUUID(), client: app.asUser(claimsOf(id)) });
  }
  await Promise.all(
    users.map(({ client, own, id }) => client.project.create({ data: { id: own, name: id } })),
  );
  const patience = { maxWait: 20_000, timeout: 20_000 };
  let answers = 0;
  const onlyOwn = (rows: ({ userId: string } | null)[], id: string) => {
    for (const row of rows) {
      expect(row?.userId).toBe(id);
      answers += 1;
    }
  };
  await Promise.all(
    users.map(async ({ id, own, client }, index) => {
      const foreign = users[(index + 1) % users.length]?.own ?? '';
      // The same query of all users in one tick, which Prisma joins into one where it can.
      const [one, other] = await Promise.all([
        client.project.findUnique({ where: { id: own } }),
        client.project.findUnique({ where: { id: foreign } }),
      ]);
      onlyOwn([one], id);
      expect(other).toBeNull();
      onlyOwn(await client.project.findMany(), id);
      const [batch, profiles] = await client.$transaction(
        [client.project.findMany(), client.profile.findMany({ select: { id: true } })],
        patience,
      );
      onlyOwn(batch, id);
      expect(profiles).toEqual([{ id }]);
      await client.$transaction(async (tx) => {
        onlyOwn([await tx.project.update({ where: { id: own }, data: { description: id } })], id);
        onlyOwn(await tx.project.findMany(), id);
        expect((await seen(tx))?.user).toBe(id);
      }, patience);
      await expect(
        client.project.update({ where: { id: foreign }, data: { description: id } }),
      ).rejects.toMatchObject({ code: 'P2025' });
      onlyOwn(await client.$queryRaw`select user_id::text as "userId" from public.projects`, id);
    }),
  );
  expect(answers).toBe(200 * 6);
  await expectCleanPool();
});

describe('what is thrown', () => {
  test('inside an interactive transaction rolls it back', async () => {
    const failed = mine.$transaction(async (tx) => {
      await tx.project.update({ where: { id: project }, data: { name: 'gone' } });
      throw new Error('mine');
    });
    await expect(failed).rejects.toThrow('mine');
    expect((await mine.project.findUnique({ where: { id: project } }))?.name).toBe('Notes');
    await expectCleanPool();
  });

  test('in a batch rolls all of it back', async () => {
    const failed = mine.$transaction([
      mine.project.update({ where: { id: project }, data: { name: 'gone' } }),
      mine.$executeRaw`select 1 / 0`,
    ]);
    await expect(failed).rejects.toThrow('22012');
    expect((await mine.project.findUnique({ where: { id: project } }))?.name).toBe('Notes');
    await expectCleanPool();
  });

  test('and caught inside does not pass for a commit', async () => {
    const caught = mine.$transaction(async (tx) => {
      await tx.project.update({ where: { id: project }, data: { name: 'gone' } });
      await tx.$executeRaw`select 1 / 0`.catch(() => {});
    });
    await expect(caught).rejects.toThrow('rolled back');
    expect((await mine.project.findUnique({ where: { id: project } }))?.name).toBe('Notes');
    await expectCleanPool();
  });

  test('at the commit, by a deferred constraint, undoes the statement', async () => {
    await db.sql.query(`create function public.refuse() returns trigger language plpgsql as $$ begin raise 'too late'; end $$;
      create constraint trigger late after update on public.projects deferrable initially deferred
      for each row when (new.name = 'late') execute function public.refuse()`);
    try {
      const late = { where: { id: project }, data: { name: 'late' } };
      await expect(mine.project.update(late)).rejects.toThrow('too late');
      await expect(mine.$transaction([mine.project.update(late)])).rejects.toThrow('too late');
      expect((await mine.project.findUnique({ where: { id: project } }))?.name).toBe('Notes');
    } finally {
      await db.sql.query('drop function public.refuse cascade');
    }
    await expectCleanPool();
  });

  test('is Prisma’s error, as with the plain client', async () => {
    await expect(mine.project.create({ data: { id: project, name: 'x' } })).rejects.toMatchObject({
      code: 'P2002',
    });
    await expect(mine.project.findUniqueOrThrow({ where: { id: randomUUID() } })).rejects.toMatchObject({
      code: 'P2025',
    });
    await expect(mine.$queryRaw`select nonsense`).rejects.toMatchObject({ code: 'P2010' });
    await expectCleanPool();
  });

  test('a transaction over its time is rolled back', async () => {
    const late = mine.$transaction(
      async (tx) => {
        await tx.project.update({ where: { id: project }, data: { name: 'gone' } });
        await tx.$queryRaw`select from pg_sleep(0.3)`;
        await tx.project.count();
      },
      { timeout: 100 },
    );
    await expect(late).rejects.toMatchObject({ code: 'P2028' });
    expect((await mine.project.findUnique({ where: { id: project } }))?.name).toBe('Notes');
    await expectCleanPool();
  });

  test('a connection that is cut is replaced', async () => {
    const cut = mine.$transaction(async (tx) => {
      const [row] = await tx.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await db.sql.query('select pg_terminate_backend($1)', [row?.pid]);
      await tx.project.count();
    });
    await expect(cut).rejects.toThrow();
    await expectCleanPool();
    expect(await mine.project.count({ where: { id: project } })).toBe(1);
  });
});

describe('raw SQL', () => {
  test.each([
    'set role anon',
    "set search_path = 'nowhere'",
    "set request.jwt.claim.sub = '11111111-1111-4111-8111-111111111111'",
    `select set_config('request.jwt.claims', '{"sub":"11111111-1111-4111-8111-111111111111"}', false)`,
    'set session authorization default',
    'set statement_timeout = 1',
    'create temporary table projects (id uuid)',
    'select pg_advisory_lock(42)',
    'select pg_advisory_lock(42), 1 / (random() * 0)::int',
    'listen somebody',
    'prepare somebody as select 1',
    'declare c cursor with hold for select 1',
  ])('%s ends with its transaction', async (sql) => {
    const one = createAppClient({ url: db.url, poolSize: 1 });
    try {
      const client = one.asUser(claimsOf(alice));
      const ways = [
        () => client.$executeRawUnsafe(sql),
        () => client.$transaction([client.project.count(), client.$executeRawUnsafe(sql)]),
        () => client.$transaction((tx) => tx.$executeRawUnsafe(sql)),
        () =>
          client.$transaction(async (tx) => {
            await tx.$executeRawUnsafe(sql);
            throw new Error('rolled back');
          }),
      ];
      for (const way of ways) {
        await way().catch(() => {});
        await expectCleanPool(one);
      }
    } finally {
      await one.$disconnect();
    }
  });

  test.each([
    'commit',
    '-- so\n/* and so */ rollback',
    'begin',
    'copy public.projects to stdout',
    'copy public.projects from stdin',
    'savepoint x',
    'END',
  ])('cannot %j', async (sql) => {
    await expect(mine.$executeRawUnsafe(sql)).rejects.toThrow('cannot run as raw SQL');
    await expect(mine.$transaction((tx) => tx.$executeRawUnsafe(sql))).rejects.toThrow(
      'cannot run as raw SQL',
    );
    await expectCleanPool();
  });

  test('is one statement a call', async () => {
    await expect(mine.$executeRawUnsafe('select 1; reset role')).rejects.toThrow('42601');
  });

  test('as the login itself reads nothing', async () => {
    for (const table of ['profiles', 'projects', 'coding_sessions', 'coding_jobs', 'session_events'])
      await expect(
        mine.$transaction(async (tx) => {
          await tx.$executeRaw`reset role`;
          await tx.$queryRawUnsafe(`select 1 from public.${table}`);
        }),
      ).rejects.toThrow('42501');
    for (const role of ['postgres', 'service_role', 'mobvibe_worker'])
      await expect(mine.$executeRawUnsafe(`set role ${role}`)).rejects.toThrow('42501');
    await expectCleanPool();
  });
});

describe('asUser refuses', () => {
  test.each([{ sub: 'alice', role: 'authenticated' }, { role: 'authenticated' }, {}, null])(
    'claims without a user: %j',
    (claims) => {
      expect(() => app.asUser(claims as never)).toThrow('sub is not a uuid');
    },
  );
  test.each(['service_role', 'postgres', 'anon', '', undefined])('the role %s', (role) => {
    expect(() => app.asUser({ sub: randomUUID(), role } as never)).toThrow('not "authenticated"');
  });
});
