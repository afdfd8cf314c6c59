import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe as target } from '@mobvibe/cli';
import { createServiceClient, loginUrl } from '@mobvibe/db';
import { startApi } from '@mobvibe/local/api';
import { SEED_PASSWORD, seed, seededUsers } from '@mobvibe/seed';
import { createLog, loadWorkerConfig, startWorker, type Worker } from '@mobvibe/worker';
import { createClient } from '@supabase/supabase-js';
import type { Page as Tab } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startOwn } from '../../../test/api/target.ts';
import { type Page, servePage } from '../src/index.ts';
import { findChromium, openPhone } from './browser.ts';

const chromium = findChromium();
if (!chromium) console.warn('SKIPPED: no Chromium, so nobody looks at the page (apt-get install chromium)');

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Where pictures of the page go; by default a directory that is removed. */
const given = process.env.SCREENSHOTS;

describe.skipIf(!chromium)('the page in Chromium', { timeout: 120_000 }, () => {
  const alice = seededUsers().find(({ key }) => key === 'team') as { id: string; email: string };
  let own: Awaited<ReturnType<typeof startOwn>>;
  let api: Awaited<ReturnType<typeof startApi>>;
  let directory: string;
  let pictures: string;
  let worker: Worker;
  let page: Page;
  let phone: Awaited<ReturnType<typeof openPhone>>;
  let tab: Tab;
  const complaints: string[] = [];

  beforeAll(async () => {
    own = await startOwn();
    api = own.api;
    directory = await mkdtemp(join(tmpdir(), 'mobvibe-web-test-'));
    pictures = given ?? join(directory, 'pictures');
    await mkdir(pictures, { recursive: true });
    const client = createServiceClient({ url: own.database.url });
    await seed(client);
    await client.$disconnect();
    worker = await startWorker({
      target: target(loginUrl('mobvibe_worker', { url: own.database.url })),
      config: {
        ...loadWorkerConfig({ data: join(directory, 'worker') }),
        storage: { url: api.url, key: own.keys.secretKey },
      },
      log: createLog({ level: 'silent' }),
    });
    page = await servePage({
      supabaseUrl: api.url,
      publishableKey: own.keys.publishableKey,
      hint: { email: alice.email, password: SEED_PASSWORD },
    });
    phone = await openPhone(chromium as string);
    tab = await phone.context.newPage();
    tab.setDefaultTimeout(30_000);
    tab.on('pageerror', (error) => complaints.push(error.message));
    tab.on('console', (message) => {
      if (/content security policy/i.test(message.text())) complaints.push(message.text());
    });
    await tab.goto(page.url);
  }, 120_000);

  afterAll(async () => {
    await phone?.close();
    await page?.close();
    await worker?.stop();
    // Another than own.api where it was restarted; closing one twice does nothing.
    await api?.close();
    await own?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const picture = (name: string) => tab.screenshot({ path: join(pictures, `${name}.png`) });
  const seqs = () =>
    tab
      .locator('[data-seq]')
      .evaluateAll((items) => items.map((item) => Number(item.getAttribute('data-seq'))));
  const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
  const live = () => tab.locator('main .connection', { hasText: 'Live' }).waitFor();

  /** What axe finds that is serious, and whether the page is wider than the phone. */
  async function flaws() {
    await tab.evaluate(axe);
    const violations = await tab.evaluate<string[]>(`axe.run().then(({ violations }) => violations
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
    const wide = await tab.evaluate<boolean>(
      'document.documentElement.scrollWidth > document.documentElement.clientWidth',
    );
    return wide ? [...violations, 'the page scrolls sideways'] : violations;
  }

  /** Asks in the open session, and waits until the agent is done. */
  async function ask(prompt: string) {
    const done = tab.locator('[data-type=completed]');
    const before = await done.count();
    await tab.getByLabel('What to build').fill(prompt);
    await tab.getByRole('button', { name: 'Send' }).click();
    await expect.poll(() => tab.getByLabel('What to build').inputValue()).toBe('');
    return () => done.nth(before).waitFor({ timeout: 60_000 });
  }

  /** The seq of the last event of the session on screen, as the database has it. */
  async function lastSeq(): Promise<number> {
    const id = new URL(tab.url()).hash.split('/').at(-1);
    const { rows } = await own.database.sql.query<{ seq: number }>(
      'select last_event_seq::int as seq from public.coding_sessions where id = $1',
      [id],
    );
    return rows[0]?.seq ?? 0;
  }

  test('signs a user of the sample data in, and refuses a wrong password', async () => {
    await tab.getByRole('heading', { name: 'Sign in to MobVibe' }).waitFor();
    await picture('1-sign-in');
    expect(await flaws()).toEqual([]);
    await tab.getByLabel('Password').fill('wrong');
    await tab.getByRole('button', { name: 'Sign in' }).click();
    expect(await tab.getByRole('alert').textContent()).toBe('Invalid login credentials.');
    await tab.getByLabel('Password').fill(SEED_PASSWORD);
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.getByRole('heading', { name: 'Projects', exact: true }).waitFor();
    const { rows } = await own.database.sql.query<{ name: string }>(
      'select name from public.projects where user_id = $1 and deleted_at is null',
      [alice.id],
    );
    expect((await tab.locator('.card strong').allTextContents()).sort()).toEqual(
      rows.map(({ name }) => name).sort(),
    );
    await picture('2-projects');
    expect(await flaws()).toEqual([]);
  });

  test('makes a project and a session, and follows a job as it runs', async () => {
    await tab.getByLabel('Name of a new project').fill('Habit tracker');
    await tab.getByRole('button', { name: 'New project' }).click();
    await tab.getByRole('heading', { name: 'Habit tracker' }).waitFor();
    await tab.getByRole('button', { name: 'New session' }).click();
    await live();
    const done = await ask('A habit tracker with a streak for each habit');
    // As it runs, not after the fact.
    await tab.locator('[data-type=terminal]').first().waitFor();
    expect(await tab.locator('[data-type=completed]').count()).toBe(0);
    await tab.getByRole('button', { name: 'Cancel' }).waitFor();
    await picture('4-running');
    await done();
    await tab.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
    expect(await seqs()).toEqual(upTo(await lastSeq()));
    for (const type of ['status', 'thinking', 'message', 'file_change', 'terminal', 'completed']) {
      expect(await tab.locator(`[data-type=${type}]`).count(), type).toBeGreaterThan(0);
    }
    expect(await tab.locator('.exit').first().textContent()).toBe('exit 0');
    expect(await tab.locator('[data-type=completed]').textContent()).toMatch(/\$\d.*turns/);
    await picture('5-done');
    expect(await flaws()).toEqual([]);
  });

  test('shows what is in a file', async () => {
    const change = tab.locator('[data-type=file_change]', { hasText: 'App.tsx' }).first();
    const id = new URL(tab.url()).hash.split('/').at(-1);
    const { rows } = await own.database.sql.query<{ name: string }>(
      "select name from storage.objects where bucket_id = 'project-files' and name like $1",
      [`%/${id}/App.tsx`],
    );
    expect(rows).toHaveLength(1);
    await change.locator('summary').click();
    await change.getByText('export default function').waitFor();
    await picture('6-file');
    expect(await flaws()).toEqual([]);
    // Without the file, it says so, and finds it when it is there.
    const service = createClient(api.url, own.keys.secretKey, {
      realtime: { transport: WebSocket as never },
    });
    const files = service.storage.from('project-files');
    const { name } = rows[0] as { name: string };
    await files.remove([name]);
    await change.locator('summary').click();
    await change.locator('summary').click();
    await change.getByText('not uploaded yet').waitFor();
    const { error } = await files.upload(name, new Blob(['later\n'], { type: 'text/plain' }));
    expect(error).toBeNull();
    await change.locator('summary').click();
    await change.locator('summary').click();
    await change.getByText('later', { exact: true }).waitFor();
  });

  test('stays where it is when reloaded', async () => {
    const before = await seqs();
    await tab.reload();
    await tab.locator('[data-type=completed]').waitFor();
    expect(await seqs()).toEqual(before);
  });

  test('recovers from a lost server with no event missing or twice', async () => {
    await live();
    const { port } = api;
    const done = await ask('Let me archive a habit');
    await tab.locator('.prompt', { hasText: 'archive' }).waitFor();
    await api.close();
    await tab.locator('main .connection', { hasText: 'Reconnecting' }).waitFor();
    await picture('7-reconnecting');
    const { databaseUrl, keys } = { databaseUrl: own.database.url, keys: own.keys };
    api = await startApi({ databaseUrl, keys, directory: own.directory, port });
    await done();
    await live();
    expect(await seqs()).toEqual(upTo(await lastSeq()));
  });

  test('recovers from a phone without a network', async () => {
    const done = await ask('Show all streaks in a chart');
    await tab.locator('.prompt', { hasText: 'chart' }).waitFor();
    await phone.context.setOffline(true);
    // The agent goes on meanwhile.
    const before = (await seqs()).length;
    await expect.poll(lastSeq, { timeout: 30_000 }).toBeGreaterThan(before + 10);
    expect((await seqs()).length).toBeLessThan(before + 10);
    await phone.context.setOffline(false);
    await done();
    expect(await seqs()).toEqual(upTo(await lastSeq()));
  });

  test('cancels what runs, and what waits behind it', async () => {
    await ask('A widget for the home screen');
    await ask('A widget for the lock screen');
    await tab.locator('.prompt', { hasText: 'lock screen' }).waitFor();
    await tab.getByRole('button', { name: 'Cancel' }).click();
    await tab.getByText('Cancelled before it began').waitFor();
    await tab.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
    const { rows } = await own.database.sql.query(
      "select status, cancel_requested_at is not null as asked from public.coding_jobs where prompt like '%lock screen'",
    );
    expect(rows).toEqual([{ status: 'cancelled', asked: true }]);
  });

  test('is used with the keyboard alone', async () => {
    await tab.getByRole('link', { name: 'Habit tracker' }).click();
    await tab.getByRole('heading', { name: 'Sessions' }).waitFor();
    await picture('3-sessions');
    expect(await flaws()).toEqual([]);
    await tab.goto(page.url);
    await tab.getByRole('heading', { name: 'Projects', exact: true }).waitFor();
    const focused = () =>
      tab.evaluate<string>(
        'document.activeElement.name || document.activeElement.getAttribute("href") || document.activeElement.textContent',
      );
    const tabTo = async (wanted: RegExp) => {
      for (let step = 0; step < 30; step++) {
        await tab.keyboard.press('Tab');
        if (wanted.test(await focused())) return;
      }
      throw new Error(`the focus never came to ${wanted}`);
    };
    // A view's heading has the focus, so that one goes on from there.
    expect(await focused()).toBe('Projects');
    await tabTo(/^name$/);
    await tab.keyboard.type('Recipes');
    await tab.keyboard.press('Enter');
    await tab.getByRole('heading', { name: 'Recipes' }).waitFor();
    await tabTo(/New session/);
    await tab.keyboard.press('Enter');
    await tab.getByLabel('What to build').waitFor();
    await tabTo(/^prompt$/);
    await tab.keyboard.type('A recipe box');
    await tab.keyboard.press('Control+Enter');
    const thought = tab.locator('[data-type=thinking] details').first();
    await thought.waitFor();
    expect(await thought.getAttribute('open')).toBeNull();
    await tab.locator('[data-type=completed]').waitFor({ timeout: 60_000 });
    await tab.keyboard.press('Control+Home');
    await tab.getByRole('heading', { name: 'A recipe box' }).focus();
    await tabTo(/^Thinking/);
    await tab.keyboard.press('Enter');
    expect(await thought.getAttribute('open')).not.toBeNull();
  });

  test('looks right in the dark and on a wide screen too', async () => {
    await tab.emulateMedia({ colorScheme: 'dark' });
    await picture('8-dark');
    expect(await flaws()).toEqual([]);
    await tab.setViewportSize({ width: 1280, height: 800 });
    await picture('9-wide');
    expect(await flaws()).toEqual([]);
    await tab.setViewportSize({ width: 390, height: 844 });
    await tab.emulateMedia({ colorScheme: 'light' });
  });

  test('signs out, and leaves nothing of the user on screen', async () => {
    await tab.getByRole('button', { name: 'Sign out' }).click();
    await tab.getByRole('heading', { name: 'Sign in to MobVibe' }).waitFor();
    expect(await tab.getByText('A recipe box').count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});
