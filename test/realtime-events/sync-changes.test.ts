import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  createMemoryStore,
  createOnce,
  isIdTaken,
  type MemoryStore,
  pullChanges,
  type SyncedStore,
  syncChanges,
} from '../../packages/sync/src/index.ts';
import { type Phone, type Stack, startStack, until } from './support.ts';

let stack: Stack;
const synced: SyncedStore[] = [];
beforeAll(async () => {
  stack = await startStack();
});
afterEach(() => {
  for (const one of synced.splice(0)) one.close();
});
afterAll(() => stack?.stop());

const NEVER = 3_600_000;

async function keep(phone: Phone, store = createMemoryStore(), checkEveryMs = NEVER) {
  const one = await syncChanges(phone.client, store, { checkEveryMs, pageSize: 3, userId: phone.userId });
  synced.push(one);
  await until(() => one.status === 'live');
  return { one, store };
}

const jobOf = (store: MemoryStore, id: string) => store.coding_jobs.get(id);

test('a copy follows its job from state to state, by hints alone', async () => {
  const phone = await stack.phone();
  const { store } = await keep(phone);
  const { session, job, project } = await stack.work(phone.userId);
  await until(() => jobOf(store, job)?.status === 'processing');
  expect(store.coding_sessions.get(session)?.status).toBe('active');
  expect(store.projects.get(project)?.name).toBe('App');
  await stack.database.asWorker((client) =>
    client.query(
      `select private.complete_jobs('w1', array[$1]::uuid[], array[1], array['{"turns": 3}'::jsonb])`,
      [job],
    ),
  );
  await until(() => jobOf(store, job)?.status === 'completed');
  expect(jobOf(store, job)?.result).toEqual({ turns: 3 });
  const { error } = await phone.client
    .from('projects')
    .update({ deleted_at: new Date().toISOString() })
    .eq('id', project);
  expect(error).toBeNull();
  await until(() => store.projects.get(project)?.deleted_at);
  await until(() => store.coding_sessions.get(session)?.status === 'cancelled');
});

test('what changed while the phone was away is there when it is back', async () => {
  const phone = await stack.phone();
  const { one, store } = await keep(phone);
  phone.cut();
  const { job } = await stack.work(phone.userId);
  await until(() => jobOf(store, job)?.status === 'processing');
  await until(() => one.status === 'live');
  await stack.loseReplication();
  await stack.database.asWorker((client) =>
    client.query(`select private.complete_jobs('w1', array[$1]::uuid[], array[1], array['{}'::jsonb])`, [
      job,
    ]),
  );
  await until(() => jobOf(store, job)?.status === 'completed');
});

test('a damaged cursor begins anew; a stranger’s shows nothing', async () => {
  const phone = await stack.phone();
  const { project } = await stack.work(phone.userId);
  const store = createMemoryStore();
  store.apply({ cursor: 'damaged', reset: false, projects: [], coding_sessions: [], coding_jobs: [] });
  await pullChanges(phone.client, store);
  expect([...store.projects.keys()]).toEqual([project]);

  const other = await stack.phone();
  await pullChanges(other.client, store);
  expect([...store.projects.keys()]).toEqual([project]);
});

test('a repeated insert makes one row, and says so; another’s id is refused', async () => {
  const [phone, other] = [await stack.phone(), await stack.phone()];
  const [project, session, job] = [randomUUID(), randomUUID(), randomUUID()];
  const inserts = [
    () => createOnce(phone.client, 'projects', { id: project, name: 'Made offline' }),
    () => createOnce(phone.client, 'coding_sessions', { id: session, project_id: project }),
    () =>
      createOnce(phone.client, 'coding_jobs', { id: job, session_id: session, prompt: 'A list of notes' }),
  ];
  for (const insert of inserts) {
    expect(await insert()).toBe(true);
    expect(await insert()).toBe(false);
  }
  const { rows } = await stack.database.sql.query(
    `select (select count(*) from public.projects where user_id = $1)::int as projects,
       (select count(*) from public.coding_sessions where user_id = $1)::int as sessions,
       (select count(*) from public.coding_jobs where user_id = $1)::int as jobs,
       (select jobs_used from public.profiles where id = $1) as used`,
    [phone.userId],
  );
  expect(rows).toEqual([{ projects: 1, sessions: 1, jobs: 1, used: 1 }]);
  const taken = await createOnce(other.client, 'projects', { id: project, name: 'Mine' }).catch(
    (error) => error,
  );
  expect(isIdTaken(taken)).toBe(true);
});
