import { connect, describe as describeTarget } from '@mobvibe/cli';
import { seed } from '@mobvibe/seed';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminUrlOf, createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { operations, type Prepared, runOnce } from '../src/queries/operations.ts';
import { type Plan, watchPlans } from '../src/queries/plan.ts';
import { makeReady } from '../src/queries/prepare.ts';

/** Above this, reading a table from end to end is a fault. */
const BIG = 1_000;

let db: TestDatabase;
let client: pg.Client;
let prepared: Prepared;
let watch: (task: () => Promise<unknown>) => Promise<Plan>;
let big: Set<string>;

beforeAll(async () => {
  db = await createTestDatabase();
  await seed({ url: db.url }, { scale: 'mvp', now: new Date() });
  client = await connect(describeTarget(adminUrlOf(db.url)));
  prepared = await makeReady(client);
  const { rows } = await client.query<{ relname: string }>(
    'select relname from pg_class where reltuples > $1',
    [BIG],
  );
  big = new Set(rows.map(({ relname }) => relname));
  watch = await watchPlans(client);
}, 120_000);
afterAll(async () => {
  await client.end();
  await db.drop();
});

/** The index that answers each, by name; months as `*`. */
const INDEXES: Record<string, RegExp> = {
  'a user’s projects': /projects_user_id_updated_at_idx/,
  'active sessions': /coding_sessions_open_idx/,
  'pending jobs': /coding_jobs_open_idx/,
  'recent events': /session_events_\*_pkey/,
  events_since: /session_events_\*_pkey/,
  'sync_changes, from the beginning': /coding_jobs_user_id_/,
  'sync_changes, nothing new': /coding_jobs_user_id_changed_xid_id_idx/,
  'a new project': /profiles_pkey/,
  'a new job': /coding_sessions_(pkey|id_user_id_key)/,
  'claim_jobs, 10 at once': /coding_jobs_claim_idx/,
  'append_session_events, 10 at once': /coding_sessions_(pkey|id_user_id_key)/,
};

test('the big tables are big', () => {
  expect([...big]).toEqual(
    expect.arrayContaining(['projects', 'coding_sessions', 'coding_jobs', 'job_attempts']),
  );
  expect([...big].filter((name) => name.startsWith('session_events_')).length).toBeGreaterThan(1);
});

test.for(operations)('$name: an index, and no big table from end to end', async (operation) => {
  for (const asker of prepared.askers.slice(0, 5)) {
    const plan = await watch(() => runOnce(client, operation, prepared, asker));
    expect(plan.shape).toMatch(INDEXES[operation.name] as RegExp);
    const sequential = plan.scans.filter(({ node, loops }) => node === 'Seq Scan' && loops > 0);
    expect(sequential.filter(({ table }) => big.has(table))).toEqual([]);
  }
});
