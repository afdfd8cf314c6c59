import { afterEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { displace } from './displaced.ts';
import { STALE_WRITES } from './stale.ts';

let db: TestDatabase;
afterEach(() => db?.drop());

it('every write of a displaced worker is refused, and nothing changes', async () => {
  db = await createTestDatabase();
  expect(await displace(db)).toMatchObject({ taken: [], changed: [], violations: [] });
});

it('without the fence the same writes are taken, and the checker tells what they did', async () => {
  db = await createTestDatabase();
  await removeFence(db);
  const { taken, changed, violations } = await displace(db);
  expect(new Set(taken).size).toBe(STALE_WRITES);
  expect(changed).toContain('public.session_events');
  expect(violations.map(({ invariant }) => invariant)).toEqual(
    expect.arrayContaining(['attempts', 'completions', 'stale', 'usage']),
  );
});

const TOKEN = / and j\.attempt = \w\.attempt and j\.worker_id = p_worker_id/;
// A second completion finds no lease, and must not be refused for that either.
const CONDITIONS = {
  heartbeat_jobs: TOKEN,
  complete_jobs: new RegExp(`${TOKEN.source} and j\\.lease_expires_at is not null`),
};

/** Takes out of the functions what asks for the lease, and out of the table what would still stand in the way. */
async function removeFence({ sql }: TestDatabase): Promise<void> {
  await sql.query(`create or replace function private.assert_leases(p_worker_id text, p_job_ids uuid[], p_attempts integer[])
    returns void language sql as ''`);
  for (const [name, condition] of Object.entries(CONDITIONS)) {
    const { rows } = await sql.query('select pg_get_functiondef($1::regproc) as definition', [
      `private.${name}`,
    ]);
    const unfenced = rows[0].definition.replace(condition, '');
    expect(unfenced).not.toBe(rows[0].definition);
    await sql.query(unfenced);
  }
  await sql.query('alter table public.coding_jobs disable trigger coding_jobs_refuse_transition');
  await sql.query('alter table private.job_attempts alter column worker_id drop not null');
}
