import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commonQueries } from '../../apps/bench/src/core/common-queries.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

interface Node {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Subplan Name'?: string;
  'Index Cond'?: string;
  Plans?: Node[];
}

let db: TestDatabase;
let user: string;
let session: string;

// Enough rows that a sequential scan would lose, spread over users as in production, with statistics.
beforeAll(async () => {
  db = await createTestDatabase();
  await db.sql.query(`
    insert into auth.users (id, email) select gen_random_uuid(), n || '@example.com' from generate_series(1, 200) as n;
    insert into public.projects (user_id, name) select p.id, 'App ' || n from public.profiles as p, generate_series(1, 10) as n;
    insert into public.coding_sessions (user_id, project_id, status, ended_at)
      select p.user_id, p.id, (case when n = 1 and p.name = 'App 1' then 'active' else 'completed' end)::public.session_status, null
      from public.projects as p, generate_series(1, 2) as n;
    insert into public.coding_jobs (user_id, session_id, prompt, status, completed_at)
      select s.user_id, s.id, 'x', (case when s.status = 'active' and n = 1 then 'pending' else 'completed' end)::public.job_status,
        case when s.status = 'active' and n = 1 then null else now() end
      from public.coding_sessions as s, generate_series(1, 3) as n;
    insert into public.session_events (session_id, user_id, seq, created_at, job_id, type)
      select s.id, s.user_id, n, now() - interval '1 month' * (n % 2), j.id, 'message'
      from public.coding_sessions as s
      join lateral (select id from public.coding_jobs where session_id = s.id limit 1) as j on true, generate_series(1, 12) as n;
    analyze`);
  const { rows } = await db.sql.query(
    "select id, user_id from public.coding_sessions where status = 'active' limit 1",
  );
  user = rows[0].user_id;
  session = rows[0].id;
});
afterAll(() => db.drop());

async function plan(query: string, values: unknown[] = []): Promise<Node[]> {
  const { rows } = await db.asUser(user, (client) =>
    client.query(`explain (format json, costs off) ${query}`, values),
  );
  const flat = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flat)];
  return flat(rows[0]['QUERY PLAN'][0].Plan);
}
const indexes = (nodes: Node[]) => nodes.flatMap((node) => node['Index Name'] ?? []);
const scanned = (nodes: Node[]) => nodes.flatMap((node) => node['Relation Name'] ?? []);

/** The index that answers each of them. */
const INDEXES: Record<string, RegExp> = {
  'a user’s projects': /^projects_user_id_updated_at_idx$/,
  'active sessions': /^coding_sessions_open_idx$/,
  'pending jobs': /^coding_jobs_open_idx$/,
  'recent events': /^session_events_.*_pkey$/,
};

describe.each(commonQueries)('$name, as the signed-in user', ({ name, sql, values }) => {
  test('come from their index, the user asked for once', async () => {
    const nodes = await plan(sql(''), values({ id: user, sessionId: session }));
    const index = INDEXES[name] as RegExp;
    expect(
      indexes(nodes).some((found) => index.test(found)),
      JSON.stringify(indexes(nodes)),
    ).toBe(true);
    // A month without events has no page to read, whatever way.
    const { rows: filled } = await db.sql.query('select relname from pg_class where reltuples > 0');
    const names = new Set(filled.map(({ relname }) => relname));
    const sequential = nodes
      .filter((node) => node['Node Type'] === 'Seq Scan')
      .map((node) => node['Relation Name']);
    expect(sequential.filter((name) => names.has(name))).toEqual([]);
    expect(nodes.some((node) => node['Subplan Name']?.startsWith('InitPlan'))).toBe(true);
    expect(nodes.some((node) => /user_id = \(InitPlan/.test(node['Index Cond'] ?? ''))).toBe(true);
  });
});

test('events of a known time touch only that month', async () => {
  const all = scanned(await plan(`select * from public.session_events where session_id = '${session}'`));
  const month = scanned(
    await plan(
      `select * from public.session_events where session_id = '${session}'
       and created_at >= date_trunc('month', now(), 'UTC') and created_at < date_trunc('month', now(), 'UTC') + interval '1 month'`,
    ),
  );
  expect(all.length).toBeGreaterThan(2);
  expect(month).toHaveLength(1);
});
