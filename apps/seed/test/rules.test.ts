import { readdirSync, readFileSync } from 'node:fs';
import { createServiceClient } from '@mobvibe/db';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { seed } from '../src/index.ts';
import { DEFAULTS } from '../src/options.ts';
import { sessionTtl } from '../src/tier-limits.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
  const client = createServiceClient({ url: db.url });
  // Rules must hold whatever the dice say.
  for (const number of [1, 2, 3, 4, 5]) await seed(client, { seed: number });
  await client.$disconnect();
  await seed(db, { scale: 'mvp' });
  // Much of one thing and little of another.
  for (const [users, sessions, events] of [
    [1, 60, 5],
    [3, 0, 0],
    [2, 3, 3_000],
    [40, 400, 0],
  ] as const) {
    await seed(db, { scale: 'growth', users, sessions, events });
  }
  await db.sql.query("select set_config('test.now', $1, false)", [DEFAULTS.now]);
}, 180_000);
afterAll(() => db.drop());

describe('every row of every seed', () => {
  const directory = new URL('./rules/', import.meta.url);
  it.each(readdirSync(directory).sort())('%s', async (file) => {
    const { rows } = await db.sql.query(readFileSync(new URL(file, directory), 'utf8'));
    expect(rows, 'rows that break the rule').toEqual([]);
  });
});

it('gives each size what it asks for', async () => {
  const { rows } = await db.sql.query(`
    select split_part(split_part(u.email, '@', 2), '.', 1) as name, count(distinct u.id)::integer as users,
      count(s.id)::integer as sessions, coalesce(sum(s.last_event_seq), 0)::integer as events
    from auth.users as u
    left join public.coding_sessions as s on s.user_id = u.id
    where u.email not like '%@ci-%'
    group by 1 order by 1`);
  expect(rows).toEqual([
    { name: 'growth-1-1-60-5', users: 1, sessions: 60, events: 5 },
    { name: 'growth-1-2-3-3000', users: 2, sessions: 3, events: 3_000 },
    { name: 'growth-1-3-0-0', users: 3, sessions: 0, events: 0 },
    { name: 'growth-1-40-400-0', users: 40, sessions: 400, events: 0 },
    { name: 'mvp-1', users: 1_000, sessions: 10_000, events: 100_000 },
  ]);
});

it('shows every value of every enum', async () => {
  const { rows: columns } = await db.sql.query<{ table: string; column: string; labels: string[] }>(`
    select a.attrelid::regclass::text as table, a.attname as column,
      array(select e.enumlabel::text from pg_enum as e where e.enumtypid = a.atttypid order by e.enumlabel::text) as labels
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
    join pg_type as t on t.oid = a.atttypid and t.typtype = 'e'
    where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)
      and not a.attisdropped`);
  expect(columns.length).toBeGreaterThanOrEqual(6);
  for (const { table, column, labels } of columns) {
    const { rows } = await db.sql.query<{ value: string }>(
      `select distinct ${column}::text as value from ${table} where ${column} is not null order by 1`,
    );
    const shown = rows.map(({ value }) => value).sort();
    expect(shown, `${table}.${column}`).toEqual([...labels].sort());
  }
});

it('knows the time that the database gives a session', async () => {
  const { rows } = await db.sql.query<{ tier: string; ttl: number }>(
    'select tier, (extract(epoch from session_ttl) * 1000)::integer as ttl from private.tier_limits',
  );
  expect(Object.fromEntries(rows.map(({ tier, ttl }) => [tier, ttl]))).toEqual(sessionTtl);
});

describe('it shows', () => {
  const edges: [what: string, query: string][] = [
    ['a user without an address', 'from public.profiles where email is null'],
    ['a user without a name', 'from public.profiles where display_name is null and email is not null'],
    ['a user who never came back', 'from auth.users where last_sign_in_at is null'],
    ['a name as long as it may be', 'from public.profiles where char_length(display_name) = 100'],
    ['a name written from right to left', "from public.profiles where display_name ~ '[\\u0600-\\u06ff]'"],
    ['a name with an emoji', "from public.projects where name ~ '\\U0001F355'"],
    [
      'a project as long as it may be',
      'from public.projects where char_length(name) = 120 and char_length(description) = 2000',
    ],
    [
      'a project without sessions',
      'from public.projects as p where not exists (select from public.coding_sessions where project_id = p.id)',
    ],
    ['a deleted project', 'from public.projects where deleted_at is not null'],
    ['a deleted session', 'from public.coding_sessions where deleted_at is not null'],
    [
      'an open session without an event',
      "from public.coding_sessions where status = 'pending' and last_event_seq = 0",
    ],
    [
      'a session cancelled before it began',
      "from public.coding_sessions where status = 'cancelled' and started_at is null",
    ],
    ['a prompt as long as it may be', 'from public.coding_jobs where char_length(prompt) = 32000'],
    [
      'a delayed job',
      "from public.coding_jobs where attempt = 0 and available_at > created_at + interval '1 hour'",
    ],
    [
      'a job that succeeded at the last attempt',
      "from public.coding_jobs where status = 'completed' and attempt = max_attempts",
    ],
    [
      'a job between two attempts',
      "from public.coding_jobs where status = 'pending' and attempt > 0 and available_at > current_setting('test.now')::timestamptz",
    ],
    ['a job cancelled before it began', "from public.coding_jobs where status = 'cancelled' and attempt = 0"],
    [
      'a running job that is to be cancelled',
      "from public.coding_jobs where status = 'processing' and cancel_requested_at is not null",
    ],
    [
      'a job behind another of its session',
      "from public.coding_jobs as j join public.coding_jobs as other using (session_id) where j.status = 'pending' and other.status = 'processing'",
    ],
    ['a job with an idempotency key', 'from public.coding_jobs where idempotency_key is not null'],
    [
      'a job of the highest and one of a low priority',
      'from public.coding_jobs having max(priority) = 100 and min(priority) < 0',
    ],
    [
      'an output near the bound of a payload',
      'from public.session_events where octet_length(payload::text) between 60000 and 65536',
    ],
    [
      'a worker that was killed',
      "from private.workers where stopped_at is null and last_seen_at < current_setting('test.now')::timestamptz - interval '1 day'",
    ],
  ];
  const shapes: [what: string, query: string][] = [
    [
      'a few users with much of everything',
      `from (
         select count(*) as sessions, ntile(20) over (order by count(*) desc) as twentieth
         from public.coding_sessions as s join public.profiles as u on u.id = s.user_id
         where u.email like '%@mvp-1.example.com' group by s.user_id
       ) as each_user
       having sum(sessions) filter (where twentieth = 1) > 0.4 * sum(sessions)`,
    ],
    [
      'sessions ten times as long as others',
      `from public.coding_sessions having max(last_event_seq) > 10 *
         percentile_disc(0.5) within group (order by last_event_seq)`,
    ],
    [
      'priorities that few use',
      `from public.coding_jobs having count(*) filter (where priority = 0) between 0.8 * count(*) and 0.95 * count(*)
         and count(distinct priority) >= 8`,
    ],
    [
      'a user of many jobs at work and one waiting',
      `from public.coding_jobs where status in ('pending', 'processing') group by user_id having count(*) > 1`,
    ],
    [
      'every kind of event in every month of the span',
      `from (
         select date_trunc('month', created_at) as month, count(distinct type) as types
         from public.session_events where created_at > '2025-11-01' and created_at < '2026-01-16' group by 1
       ) as months having count(*) = 3 and min(types) = 9`,
    ],
  ];
  it.each([...edges, ...shapes])('%s', async (_, query) => {
    const { rows } = await db.sql.query(`select 1 ${query} limit 1`);
    expect(rows).toHaveLength(1);
  });
});
