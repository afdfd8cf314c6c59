import { readdirSync, readFileSync } from 'node:fs';
import { createServiceClient, type ServiceClient } from '@mobvibe/db';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { contractTarget, startOwn, type Target } from '../../../test/api/target.ts';
import { SEED_PASSWORD, seed, seededUsers, seedScenario } from '../src/index.ts';
import { DEFAULTS } from '../src/options.ts';
import { type ScenarioName, scenarios } from '../src/scenarios/scenarios.ts';
import { snapshot } from './snapshot.ts';

let own: Awaited<ReturnType<typeof startOwn>>;
let target: Target;
let client: ServiceClient;
beforeAll(async () => {
  own = await startOwn();
  target = await contractTarget(own.environment);
  client = createServiceClient({ url: own.database.url });
});
afterAll(async () => {
  await client?.$disconnect();
  await own?.stop();
});

/** What somebody sees who signs in as that user. */
async function seen(email: string, password: string) {
  const phone = target.client();
  const { data, error } = await phone.auth.signInWithPassword({ email, password });
  expect(error).toBeNull();
  const counts: Record<string, number | null> = {};
  for (const table of ['projects', 'coding_sessions', 'coding_jobs', 'session_events']) {
    const { count } = await phone.from(table).select('*', { count: 'exact', head: true });
    counts[table] = count;
  }
  return { id: data.user?.id, ...counts };
}

it('makes users who sign in and see what is theirs, and takes them away again', async () => {
  const before = await snapshot(own.database.sql);
  const { users, remove } = await seedScenario(client, 'two-users');
  for (const { id, email, password, projects, sessions, jobs, events } of [users.alice, users.bob]) {
    expect(await seen(email, password)).toEqual({
      id,
      projects: projects.length,
      coding_sessions: sessions.length,
      coding_jobs: jobs.length,
      session_events: events.length,
    });
  }
  const { users: again } = await seedScenario(client, 'two-users');
  expect(again).toEqual(users);
  const { users: others, remove: removeOthers } = await seedScenario(client, 'two-users', { seed: 2 });
  expect(others.alice.id).not.toBe(users.alice.id);
  await remove();
  await removeOthers();
  const after = await snapshot(own.database.sql);
  const ours = (tables: typeof before) =>
    Object.entries(tables).filter(([table]) => /coding|projects|profiles|events/.test(table));
  expect(ours(after)).toEqual(ours(before));
});

it('makes every scenario by the rules of the tables', async () => {
  for (const name of Object.keys(scenarios) as ScenarioName[]) await seedScenario(client, name);
  await own.database.sql.query("select set_config('test.now', $1, false)", [DEFAULTS.now]);
  const rules = new URL('./rules/', import.meta.url);
  for (const file of readdirSync(rules)) {
    const { rows } = await own.database.sql.query(readFileSync(new URL(file, rules), 'utf8'));
    expect(rows, file).toEqual([]);
  }
  const { users } = await seedScenario(client, 'busy-session');
  expect(users.alice.jobs.map(({ status }) => status)).toEqual(['completed', 'processing', 'pending']);
});

it('lets one of many users sign in as well', async () => {
  const size = { users: 20, sessions: 60, events: 400 };
  await seed({ url: own.database.url }, size);
  const [user] = seededUsers(size).sort((one, other) => other.events - one.events);
  expect(user?.events).toBeGreaterThan(20);
  expect(await seen(user?.email ?? '', SEED_PASSWORD)).toEqual({
    id: user?.id,
    projects: user?.projects,
    coding_sessions: user?.sessions,
    coding_jobs: user?.jobs,
    session_events: user?.events,
  });
});
