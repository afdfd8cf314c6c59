import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/harness/database.ts';
import { metricOf } from '../../src/metrics/database-gauges.ts';
import { CHECKS } from '../../src/watch/checks.ts';
import { startCommand } from '../command.ts';
import { createFixture, done, type Fixture } from '../fixture.ts';
import { startProxy } from '../proxy.ts';
import { connectTo, inDatabase } from './support.ts';

let db: TestDatabase;
let fixture: Fixture;

beforeAll(async () => {
  db = await createTestDatabase();
  fixture = await createFixture(db);
});
afterEach(() => fixture.clear());
afterAll(async () => {
  await db?.drop();
  await fixture?.remove();
});

const stats = (...args: string[]) => startCommand(['stats', ...args], { DATABASE_URL: db.url }).ended;

async function silentWorker(): Promise<void> {
  await db.sql.query("select private.register_worker('silent', 'host', 1, '1')");
  await db.sql.query(
    "update private.workers set last_seen_at = now() - interval '5 minutes' where id = 'silent'",
  );
}

const lateJob = () => db.sql.query("select private.claim_jobs('dead', 1, interval '-6 minutes')");

describe('pnpm worker stats', () => {
  it('says what is amiss and what to do, and fails when it is critical', async () => {
    const well = await stats();
    expect(well).toMatchObject({ code: 0, stderr: expect.stringMatching(/^database: mobvibe_worker@.+\n$/) });
    for (const { name } of CHECKS) expect(well.stdout).toMatch(new RegExp(`^ok +${name} `, 'm'));
    expect(well.stdout).toMatch(/\n20 checks: 20 ok, 0 warn, 0 critical\n$/);

    await silentWorker();
    const warned = await stats();
    expect(warned.code).toBe(0);
    expect(warned.stdout).toMatch(/^warn +silent_workers +1 +≥ 1 +–$/m);
    expect(warned.stdout).toMatch(/^warn: silent_workers: They were killed/m);

    await fixture.enqueue(await fixture.createSession(), 'my secret diary');
    await lateJob();
    const late = await stats();
    expect(late.code).toBe(1);
    expect(late.stdout).toMatch(/^critical +expired_lease +6 min +≥ 60 s +≥ 5 min +dead$/m);
    // What is worst comes first.
    expect(late.stdout).toMatch(
      /\ncritical: expired_lease: .+\nwarn: silent_workers: .+\n20 checks: 18 ok, 1 warn, 1 critical\n$/,
    );

    const json = await stats('--json');
    expect(json).toMatchObject({ code: 1, stderr: '' });
    const report = JSON.parse(json.stdout);
    expect(report.level).toBe('critical');
    expect(report.checks.map(({ name }: { name: string }) => name)).toEqual(CHECKS.map(({ name }) => name));
    expect(report.checks).toContainEqual({
      name: 'expired_lease',
      level: 'critical',
      value: expect.any(Number),
      unit: 'seconds',
      amiss: 'above',
      warn: 60,
      critical: 300,
      remedy: CHECKS.find(({ name }) => name === 'expired_lease')?.remedy,
      findings: [{ subject: 'dead', value: expect.any(Number), level: 'critical' }],
    });
    expect(json.stdout + late.stdout).not.toMatch(/diary|@example\.com/);
    await db.sql.query("select private.unregister_worker('silent')");
  });

  it('draws again and again on a terminal only', async () => {
    expect(await stats('--watch')).toMatchObject({
      code: 2,
      stderr: 'error: --watch draws on a terminal only\nfix: leave --watch out\n',
    });
  });

  it('stands among what looks, before what changes', async () => {
    const { stdout } = await startCommand(['--help'], {}).ended;
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) .*/gm)].map(([, name]) => name);
    expect(commands.slice(0, 5)).toEqual(['run', 'status', 'stats', 'slow-queries', 'requeue']);
  });
});

/** The samples of the checks on a worker's page. */
async function scrape(url = ''): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const samples = [...text.matchAll(/^(mobvibe_database_\S+) (\S+)$/gm)];
  return Object.fromEntries(samples.map(([, name, value]) => [name, Number(value)]));
}

describe('the metrics', () => {
  const http = { host: '127.0.0.1', port: 0 };

  it('say the same, at the cost of one statement', async () => {
    await silentWorker();
    const admin = await connectTo(inDatabase(inject('server').adminUrl, db.url));
    await admin.query(
      'select extensions.pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()',
    );
    const worker = await fixture.start(async () => done, { http });
    const samples = await scrape(worker.url);
    await scrape(worker.url);
    const { rows } = await admin.query(
      `select calls::int, query from extensions.pg_stat_statements
       where query ~ 'private.measure' and dbid = (select oid from pg_database where datname = current_database())`,
    );
    expect(rows).toEqual([{ calls: 1, query: 'select * from private.measurements()' }]);
    await admin.end();

    // Of too few reads the share of cache hits says nothing.
    const measured = CHECKS.filter(({ name }) => name !== 'cache_hits');
    expect(Object.keys(samples).toSorted()).toEqual(
      [
        ...measured.map(metricOf),
        ...CHECKS.map(({ name }) => `mobvibe_database_check_level{check="${name}"}`),
      ].toSorted(),
    );
    expect(samples).toMatchObject({
      mobvibe_database_silent_workers: 1,
      'mobvibe_database_check_level{check="silent_workers"}': 1,
      'mobvibe_database_check_level{check="partition_runway"}': 0,
    });
    expect(samples.mobvibe_database_partition_runway_seconds).toBeGreaterThan(60 * 86_400);
    const text = await (await fetch(`${worker.url}/metrics`)).text();
    expect(text).toMatch(
      /^# HELP mobvibe_database_partition_runway_seconds How far ahead .+: warn below 30 d, critical below 7 d$/m,
    );
    await db.sql.query("select private.unregister_worker('silent')");
  });

  it('say nothing while the database is away', async () => {
    const proxy = await startProxy(fixture.workerUrl);
    const worker = await fixture.start(async () => done, { http, through: proxy.url });
    proxy.down();
    expect(await scrape(worker.url)).toEqual({});
    proxy.up();
    await worker.stop();
    await proxy.close();
  });
});
