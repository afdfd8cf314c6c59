import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ruleNames, rulesDirectory, verifyLayer } from '@mobvibe/rls-sql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

/** The breaches of a rule after `sql`, which is rolled back. */
async function breaches(rule: string, sql = 'select') {
  await db.sql.query('begin');
  try {
    await db.sql.query(sql);
    return (await verifyLayer(db.sql)).filter((finding) => finding.rule === rule);
  } finally {
    await db.sql.query('rollback');
  }
}

/** One planted violation or more a rule: what is done, the object that is named, and what the fix says. */
const planted: Record<string, [sql: string, object: string, fix: RegExp][]> = {
  table_without_rls: [
    [
      'create table public.notes (id int)',
      'public.notes',
      /^alter table public\.notes enable row level security;$/,
    ],
    [
      'alter table partitions.session_events_default disable row level security',
      'partitions.session_events_default',
      /^alter table partitions\.session_events_default enable row level security;$/,
    ],
    ['alter table public.projects disable row level security', 'public.projects', /enable row level/],
  ],
  undeclared_table: [
    ['create table public.notes (id int)', 'public.notes', /write packages\/.*\/public\.notes\.sql/],
    ['create table private.notes (id int)', 'private.notes', /40_tables\/private\.notes\.sql/],
    ['create view public.peek as select 1', 'public.peek', /40_tables\/public\.peek\.sql/],
  ],
  policy_for_all_commands: [
    [
      'create policy p on public.session_events for all to authenticated using (user_id = (select auth.uid()))',
      'p on public.session_events',
      /one policy for each command/,
    ],
    [
      `drop policy "Users read their own project files" on storage.objects;
       create policy "Users read their own project files" on storage.objects for all to authenticated using (false)`,
      '"Users read their own project files" on storage.objects',
      /one policy for each command/,
    ],
  ],
  policy_to_public: [
    [
      'create policy p on public.projects for delete using (user_id = (select auth.uid()))',
      'p on public.projects',
      /^alter policy p on public\.projects to authenticated;$/,
    ],
    [
      'alter policy "Users upload into their own folder" on storage.objects to public',
      '"Users upload into their own folder" on storage.objects',
      /^alter policy "Users upload into their own folder" on storage\.objects to authenticated;$/,
    ],
  ],
  policy_evaluated_per_row: [
    [
      'create policy p on public.projects for delete to authenticated using (user_id = auth.uid())',
      'p on public.projects',
      /write \(select auth\.uid\(\)\)/,
    ],
    [
      'create policy p on public.projects for delete to authenticated using ((select auth.uid() = user_id))',
      'p on public.projects',
      /auth\.uid\(\)/,
    ],
    [
      `create policy p on public.profiles for insert to authenticated with check (email = auth.jwt() ->> 'email')`,
      'p on public.profiles',
      /write \(select auth\.jwt\(\)\)/,
    ],
    [
      `create policy p on public.projects for delete to authenticated
         using (user_id = (select auth.uid()) and name = current_setting('app.name', true))`,
      'p on public.projects',
      /write \(select current_setting\('app\.name'/,
    ],
    [
      `alter policy "Users receive the topics of their own" on realtime.messages
         using (topic = 'user:' || auth.uid()::text)`,
      '"Users receive the topics of their own" on realtime.messages',
      /write \(select auth\.uid\(\)\) in policy "Users receive/,
    ],
    [
      `create policy p on public.projects for delete to authenticated
         using (exists (select from public.profiles as q where q.id = auth.uid()))`,
      'p on public.projects',
      /auth\.uid\(\)/,
    ],
  ],
  policies_overlap: [
    [
      'create policy p on public.projects for select to authenticated using (user_id = (select auth.uid()))',
      'public.projects',
      /join them into one policy/,
    ],
    [
      'create policy p on public.projects for all to public using (user_id = (select auth.uid()))',
      'public.projects',
      /drop policy p on public\.projects/,
    ],
    [
      `drop policy "Users read their own project files" on storage.objects;
       create policy "Users read their own project files" on storage.objects for delete to authenticated using (false)`,
      'storage.objects',
      /drop policy "Users read their own project files" on storage\.objects/,
    ],
  ],
  policy_column_without_index: [
    [
      `create policy p on public.projects for delete to authenticated using (template = 'x')`,
      'public.projects.template',
      /^create index projects_template_idx on public\.projects \(template\);$/,
    ],
  ],
  foreign_key_without_index: [
    [
      'alter table private.workers add job_id uuid, add user_id uuid, add constraint workers_job_fkey foreign key (job_id, user_id) references public.coding_jobs (id, user_id)',
      'workers_job_fkey on private.workers',
      /^create index workers_job_fkey_idx on private\.workers \(job_id, user_id\);$/,
    ],
    [
      `alter table private.workers add job_id uuid, add user_id uuid,
         add constraint workers_job_fkey foreign key (job_id, user_id) references public.coding_jobs (id, user_id);
       create index on private.workers (job_id, last_seen_at, user_id)`,
      'workers_job_fkey on private.workers',
      /create index/,
    ],
  ],
  function_without_search_path: [
    [
      'alter function private.set_updated_at() reset search_path',
      'private.set_updated_at()',
      /^alter function private\.set_updated_at\(\) set search_path = '', pg_temp;$/,
    ],
  ],
  security_definer_open_to_clients: [
    [
      'grant execute on function private.reap_expired_jobs to authenticated',
      'private.reap_expired_jobs()',
      /^revoke all on function private\.reap_expired_jobs\(\) from public, anon, authenticated;$/,
    ],
    [
      `create function public.f() returns int language sql security definer set search_path = '', pg_temp as 'select 1'`,
      'public.f()',
      /^revoke all on function public\.f\(\)/,
    ],
  ],
  function_open_to_everybody: [
    [
      `create function public.f() returns int language sql set search_path = '', pg_temp as 'select 1'`,
      'public.f()',
      /^revoke all on function public\.f\(\) from public, anon;$/,
    ],
    [
      'grant execute on function public.events_since to public',
      'public.events_since(uuid, bigint, integer)',
      /revoke/,
    ],
  ],
  dangerous_table_grant: [
    ...['truncate', 'references', 'trigger', 'maintain'].map((privilege): [string, string, RegExp] => [
      `grant ${privilege} on public.projects to service_role`,
      'public.projects',
      /^revoke truncate, references, trigger, maintain on table public\.projects from service_role;$/,
    ]),
    ['grant references (id) on public.projects to public', 'public.projects', /from public;$/],
  ],
  prisma_migrations_open: [
    [
      'grant select on public._prisma_migrations to service_role',
      'public._prisma_migrations',
      /^revoke all on table public\._prisma_migrations from service_role;$/,
    ],
    [
      'create policy p on public._prisma_migrations for select to authenticated using (true)',
      'public._prisma_migrations',
      /drop policy p on public\._prisma_migrations;$/,
    ],
  ],
  partition_granted: [
    [
      'grant select on partitions.session_events_default to service_role, authenticated',
      'partitions.session_events_default',
      /^revoke all on table partitions\.session_events_default from authenticated, service_role;$/,
    ],
    [
      'grant select (payload) on partitions.session_events_default to authenticated',
      'partitions.session_events_default',
      /revoke all/,
    ],
  ],
  private_granted_to_clients: [
    [
      'grant usage on schema private to authenticated',
      'schema private',
      /^revoke all on schema private from authenticated;$/,
    ],
    ['grant usage on schema partitions to public', 'schema partitions', /from public;$/],
    ['grant select on private.tier_limits to anon', 'table private.tier_limits', /from anon;$/],
    ['grant select (id) on private.workers to anon', 'table private.workers', /from anon;$/],
    [
      'create sequence private.s; grant usage on sequence private.s to anon',
      'sequence private.s',
      /^revoke all on sequence private\.s from anon;$/,
    ],
    [
      'grant execute on function private.retry_delay to authenticated',
      'function private.retry_delay(integer)',
      /^revoke all on function private\.retry_delay\(integer\) from authenticated;$/,
    ],
  ],
  view_without_security_invoker: [
    [
      'create view public.peek as select * from public.profiles',
      'public.peek',
      /^alter view public\.peek set \(security_invoker = true\);$/,
    ],
    [
      'create materialized view public.peek as select * from public.profiles',
      'public.peek',
      /^alter materialized view public\.peek set schema private;$/,
    ],
  ],
  sequence_granted_to_anon: [
    [
      'create sequence public.s; grant usage on sequence public.s to anon',
      'public.s',
      /^revoke all on sequence public\.s from public, anon;$/,
    ],
  ],
};

test('a migrated database breaks no rule', async () => {
  expect(await verifyLayer(db.sql)).toEqual([]);
});

test('every rule has a planted violation', () => {
  expect(Object.keys(planted).sort()).toEqual(ruleNames());
});

describe.each(ruleNames())('%s', (rule) => {
  test('says what, why, and how to fix it', () => {
    const sql = readFileSync(join(rulesDirectory, `${rule}.sql`), 'utf8');
    const header = /^(?:-- .+\n)+/.exec(sql)?.[0] ?? '';
    expect(header.split(/\s+/).length).toBeGreaterThan(40);
  });

  test.each(planted[rule] ?? [])('finds: %s', async (sql, object, fix) => {
    const found = await breaches(rule, sql);
    expect(found).toContainEqual({
      rule,
      object,
      problem: expect.stringContaining(object.split(' on ')[0]?.split('.').at(-1) ?? object),
      fix: expect.stringMatching(fix),
    });
    // A fix that is SQL puts it right.
    const statements = found.map((breach) => breach.fix).filter((statement) => statement.endsWith(';'));
    if (statements.length > 0) expect(await breaches(rule, [sql, ...statements].join(';\n'))).toEqual([]);
  });
});

describe('what keeps the rules', () => {
  const kept: [string, string][] = [
    // On a table of the platform, what no file declares is somebody else's.
    ...['policy_for_all_commands', 'policy_to_public', 'policy_evaluated_per_row', 'policies_overlap'].map(
      (rule): [string, string] => [
        rule,
        `create policy "Theirs" on storage.objects for all using (owner_id = auth.uid()::text);
         create policy "Theirs, too" on realtime.messages for all using (topic = auth.uid()::text)`,
      ],
    ),
    [
      'policy_evaluated_per_row',
      `create policy p on public.projects for delete to authenticated
         using (user_id = (select auth.uid()) and name = (select auth.jwt() ->> 'name') and template = (select current_setting('a.b', true)))`,
    ],
    [
      'policies_overlap',
      `create policy p on public.projects for delete to authenticated using (true);
       create policy q on public.projects as restrictive for delete to authenticated using (true);
       create policy r on public.projects for delete to anon using (true)`,
    ],
    [
      'view_without_security_invoker',
      'create view public.peek with (security_invoker) as select * from public.profiles',
    ],
    [
      'foreign_key_without_index',
      `alter table private.workers add job_id uuid, add user_id uuid,
         add foreign key (job_id, user_id) references public.coding_jobs (id, user_id);
       create index on private.workers (user_id, job_id, last_seen_at)`,
    ],
    [
      'policy_column_without_index',
      `create policy p on public.projects for insert to authenticated with check (template = 'x')`,
    ],
  ];
  test.each(kept)('%s: %s', async (rule, sql) => {
    expect(await breaches(rule, sql)).toEqual([]);
  });
});
