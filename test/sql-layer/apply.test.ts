import { applyLayer, readSqlFiles, type SqlFile, verifyLayer } from '@mobvibe/rls-sql';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { dumpCatalog } from '../harness/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(() => db.drop());

const files = readSqlFiles();
const edited = (path: string, edit: (sql: string) => string): SqlFile[] =>
  files.map((file) =>
    file.path === path ? { ...file, sql: edit(file.sql), checksum: `edited ${path}` } : file,
  );
const extra = (path: string, sql: string): SqlFile[] =>
  [
    ...files,
    { path, sql, checksum: path, requires: ['public.projects'], downSql: null, eachApply: false },
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
const policies = async (table: string) =>
  (
    await db.sql.query('select polname from pg_policy where polrelid = $1::regclass order by polname', [
      table,
    ])
  ).rows.map((row) => row.polname);

describe('apply', () => {
  test('leaves no file waiting on a fully migrated database', async () => {
    expect(await applyLayer(db.sql)).toMatchObject({
      applied: [],
      waiting: [],
      removed: [],
      unchanged: files.length,
    });
  });

  test('changes nothing the second time', async () => {
    const before = await dumpCatalog(db.sql);
    await applyLayer(db.sql);
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });

  test('records which file made what, when, and by which version', async () => {
    const { rows } = await db.sql.query(
      "select checksum, applied_by, applied_at is not null as dated from rls_sql.files where path = '40_tables/public.projects.sql'",
    );
    expect(rows).toEqual([
      { checksum: expect.stringMatching(/^[0-9a-f]{64}$/), applied_by: '0.1.0', dated: true },
    ]);
    const { rows: made } = await db.sql.query(
      "select kind, count(*)::int from rls_sql.objects where path = '40_tables/public.projects.sql' group by kind order by kind",
    );
    expect(made).toEqual([
      { kind: 'grants', count: 1 },
      { kind: 'policy', count: 3 },
      { kind: 'trigger', count: 1 },
    ]);
  });

  test('a policy removed from its file disappears, the others stay', async () => {
    const path = '40_tables/public.projects.sql';
    const without = edited(path, (sql) =>
      sql.replace(/create policy "Users update[^;]+;\ncomment on policy[^;]+;/, ''),
    );
    await applyLayer(db.sql, { files: without });
    expect(await policies('public.projects')).toEqual([
      'Users create their own projects',
      'Users read their own projects',
    ]);
  });

  test('an object may move to another file', async () => {
    const policy =
      /drop policy if exists "Users update their own projects"[^;]+;\ncreate policy "Users update their own projects"[^;]+;/;
    const path = '40_tables/public.projects.sql';
    const sql = files.find((file) => file.path === path)?.sql.match(policy)?.[0] ?? '';
    expect(sql).not.toBe('');
    for (const to of ['40_tables/aaa.sql', '40_tables/zzz.sql']) {
      const moved = extra(to, `${sql}\n`).map((file) =>
        file.path === path ? { ...file, sql: file.sql.replace(policy, ''), checksum: `without ${to}` } : file,
      );
      await applyLayer(db.sql, { files: moved });
      expect(await policies('public.projects')).toHaveLength(3);
      await applyLayer(db.sql);
    }
  });

  test('a file removed takes its function, its policies and its grants along', async () => {
    const path = '40_tables/public.session_events.sql';
    const rest = files.filter((file) => file.path !== path && !file.path.includes('events_since'));
    // The table is now one that no file knows, which verify must refuse: nothing may change.
    await expect(applyLayer(db.sql, { files: rest })).rejects.toMatchObject({
      message: expect.stringContaining('public.session_events has no policies and grants'),
    });
    expect(await policies('public.session_events')).toHaveLength(1);

    await applyLayer(db.sql, { files: files.filter((file) => !file.path.includes('events_since')) });
    const { rows } = await db.sql.query("select to_regproc('public.events_since') as gone");
    expect(rows).toEqual([{ gone: null }]);
  });

  test('a file that fails changes nothing, and is named', async () => {
    const before = await dumpCatalog(db.sql);
    const broken = extra(
      '40_tables/zzz.sql',
      'drop policy "Users read their own projects" on public.projects; select no_such_column from public.projects;',
    );
    await expect(applyLayer(db.sql, { files: broken })).rejects.toMatchObject({
      message: expect.stringMatching(/^40_tables\/zzz\.sql: column "no_such_column" does not exist/),
    });
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });

  test('an object declared by two files is refused', async () => {
    const twice = extra('40_tables/zzz.sql', 'grant select on table public.projects to anon;');
    await expect(applyLayer(db.sql, { files: twice })).rejects.toMatchObject({
      message: expect.stringContaining(
        'declared by both 40_tables/public.projects.sql and 40_tables/zzz.sql',
      ),
    });
  });

  test('what was dropped by hand comes back', async () => {
    const before = await dumpCatalog(db.sql);
    await db.sql.query('drop policy "Users read their own projects" on public.projects');
    await db.sql.query('drop function public.events_since');
    await applyLayer(db.sql);
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });

  test('twenty at once end in one correct state', async () => {
    await db.sql.query('drop schema rls_sql cascade');
    const before = (await dumpCatalog(db.sql)).filter((line) => !line.includes('rls_sql'));
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = new pg.Client({ connectionString: db.url });
        await client.connect();
        return client;
      }),
    );
    try {
      const results = await Promise.all(clients.map((client) => applyLayer(client)));
      expect(results.filter((result) => result.applied.length > 0)).toHaveLength(1);
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
    expect((await dumpCatalog(db.sql)).filter((line) => !line.includes('rls_sql'))).toEqual(before);
    expect(await verifyLayer(db.sql)).toEqual([]);
  });

  test('goes on when an apply to another database of the server has just changed a role', async () => {
    await db.sql.query('drop schema rls_sql cascade');
    const other = new pg.Client({ connectionString: db.url });
    await other.connect();
    try {
      await other.query('begin');
      await other.query("alter role mobvibe_app set statement_timeout = '8s'");
      const applying = applyLayer(db.sql);
      await vi.waitFor(
        async () => {
          const { rows } = await other.query(
            'select from pg_locks where not granted and transactionid is not null and pid <> pg_backend_pid()',
          );
          expect(rows.length).toBeGreaterThan(0);
        },
        { timeout: 20_000 },
      );
      await other.query('commit');
      expect((await applying).applied).toContain('10_roles/mobvibe_app.sql');
    } finally {
      await other.end();
    }
  });

  test('a connection that dies half-way changes nothing', async () => {
    const before = await dumpCatalog(db.sql);
    const client = new pg.Client({ connectionString: db.url });
    client.on('error', () => {});
    await client.connect();
    const slow = extra(
      '40_tables/zzz.sql',
      'drop policy "Users read their own projects" on public.projects; select pg_terminate_backend(pg_backend_pid());',
    );
    await expect(applyLayer(client, { files: slow })).rejects.toThrow();
    await client.end().catch(() => {});
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });
});

describe('a change made by hand', () => {
  test('is put right by repair', async () => {
    const before = await dumpCatalog(db.sql);
    await db.sql.query('alter policy "Users read their own projects" on public.projects using (true)');
    await db.sql.query('grant delete on public.projects to authenticated');
    await applyLayer(db.sql, { repair: true });
    expect(await dumpCatalog(db.sql)).toEqual(before);
  });

  const untold: [string, string][] = [
    ['row-level security off', 'alter table public.projects disable row level security'],
    ['row-level security forced', 'alter table public.projects force row level security'],
    [
      'row-level security off on a partition',
      'alter table partitions.session_events_default disable row level security',
    ],
    ['a grant to a role that the file does not name', 'grant delete on public.projects to pg_monitor'],
    ['a function granted to such a role', 'grant execute on function private.retry_delay to pg_monitor'],
  ];
  test.each(untold)('is put right by repair where the file says nothing of it: %s', async (_, change) => {
    const before = await dumpCatalog(db.sql);
    await db.sql.query(change);
    expect(await dumpCatalog(db.sql)).not.toEqual(before);
    await applyLayer(db.sql, { repair: true });
    expect(await dumpCatalog(db.sql)).toEqual(before);
    expect((await applyLayer(db.sql)).applied).toEqual([]);
  });

  test('is not dropped by repair where no file knows it', async () => {
    await db.sql.query('create policy "Theirs" on public.projects for delete to authenticated using (false)');
    await expect(applyLayer(db.sql, { repair: true })).rejects.toMatchObject({
      message: expect.stringContaining('policy "Theirs" on public.projects is declared by no file'),
    });
    await db.sql.query('drop policy "Theirs" on public.projects');
  });

  test('gives way to a file that changed as well', async () => {
    await db.sql.query('alter policy "Users read their own projects" on public.projects using (true)');
    await applyLayer(db.sql, {
      files: edited('40_tables/public.projects.sql', (sql) => `${sql}\n-- edited\n`),
    });
    const { rows } = await db.sql.query(
      "select pg_get_expr(polqual, polrelid) as expression from pg_policy where polname = 'Users read their own projects'",
    );
    expect(rows[0].expression).toContain('auth.uid()');
  });
});
