import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PageConfig } from '@mobvibe/web';
import { createClient } from '@supabase/supabase-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import WebSocket from 'ws';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import type { WalkSummary } from '../src/walk.ts';

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

let db: TestDatabase;
let data: string;
beforeEach(async () => {
  db = await createTestDatabase();
  data = await mkdtemp(join(tmpdir(), 'mobvibe-demo-'));
});
afterEach(async () => {
  await db.drop();
  await rm(data, { recursive: true, force: true });
});

function demo(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', cli, '--data', data, ...args], {
    env: { ...process.env, DATABASE_URL: db.url, DIRECT_URL: '', ANTHROPIC_API_KEY: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return {
    child,
    ended: ended.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code: code as number | null })),
  };
}

test('interrupted, it gives the job back and says so', async () => {
  const { child, ended } = demo();
  await expect
    .poll(
      async () =>
        (
          await db.sql.query(
            "select from public.session_events where type = 'file_change' and created_at > now() - interval '1 minute'",
          )
        ).rowCount,
      {
        timeout: 60_000,
      },
    )
    .toBeGreaterThan(0);
  child.kill('SIGINT');
  const { stderr, code } = await ended;
  expect(stderr).toMatch(/\nerror: interrupted\nfix: pnpm demo starts again where this ended\n$/);
  expect(code).toBe(130);
  const { rows } = await db.sql.query(
    "select status, attempt from public.coding_jobs where prompt like 'A notes app%' and created_at > now() - interval '1 minute'",
  );
  expect(rows).toEqual([{ status: 'pending', attempt: 0 }]);
}, 90_000);

function expectWalk(summary: WalkSummary, { run }: { run: number }) {
  expect(summary.job).toMatchObject({ status: 'completed', error: null });
  expect(summary.followed).toBe('realtime');
  expect(summary.files.map(({ path }) => path)).toContain('App.tsx');
  const events = summary.rows.find(({ table }) => table === 'session_events');
  // The user sees the events of the own sessions and no others, though the sample data holds many.
  expect(events?.visible).toBe(run * summary.events);
  expect(events?.total).toBeGreaterThan(events?.visible ?? 0);
}

test('shows a prompt becoming an app; again, with --watch, page and worker stay until Ctrl-C', async () => {
  const first = await demo('--json', '--prompt', 'A notes app').ended;
  expect(first).toMatchObject({ stderr: '', code: 0 });
  expectWalk(JSON.parse(first.stdout), { run: 1 });

  const { child, ended } = demo('--json', '--watch', '--prompt', 'A notes app');
  const [line] = await once(createInterface(child.stdout), 'line');
  const summary: WalkSummary = JSON.parse(line);
  expectWalk(summary, { run: 2 });
  const page = summary.page as string;
  expect(await (await fetch(page)).text()).toContain('<title>MobVibe</title>');
  const { supabaseUrl, publishableKey, hint } = (await (
    await fetch(`${page}/config.json`)
  ).json()) as PageConfig;
  const person = createClient(supabaseUrl, publishableKey, { realtime: { transport: WebSocket as never } });
  expect(await person.auth.signInWithPassword(hint as { email: string; password: string })).toMatchObject({
    error: null,
  });
  const { data: asked } = await person
    .from('coding_jobs')
    .select('session_id')
    .eq('id', summary.job.id)
    .single();
  const { data: next, error } = await person
    .from('coding_jobs')
    .insert({ session_id: asked?.session_id, prompt: 'Add a search box' })
    .select('id')
    .single();
  expect(error).toBeNull();
  await expect
    .poll(
      async () =>
        (await person.from('coding_jobs').select('status').eq('id', next?.id).single()).data?.status,
      {
        timeout: 30_000,
      },
    )
    .toBe('completed');
  child.kill('SIGINT');
  const { stderr, code } = await ended;
  expect(stderr).toBe('');
  expect(code).toBe(0);
  for (const url of [page, supabaseUrl]) await expect(fetch(url)).rejects.toThrow('fetch failed');
}, 180_000);
