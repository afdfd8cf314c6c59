import { createAppClient, createServiceClient, loginUrl, type ServiceClient } from '@mobvibe/db';
import { version } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

let db: TestDatabase;
let client: ServiceClient;
let userId: string;
beforeAll(async () => {
  db = await createTestDatabase();
  client = createServiceClient({ url: db.url });
  userId = await db.createUser();
});
afterAll(async () => {
  await client.$disconnect();
  await db.drop();
});

test('is what it is beside a client of app teams that was made before it', async () => {
  const app = createAppClient({ url: loginUrl('mobvibe_app', { url: db.url }) });
  const service = createServiceClient({ url: db.url });
  try {
    const made = await service.project.create({
      data: { userId, name: 'Notes', sessions: { create: [{}] } },
      include: { sessions: true },
    });
    expect(made.sessions).toMatchObject([{ userId }]);
  } finally {
    await Promise.all([service.$disconnect(), app.$disconnect()]);
  }
});

describe('ids', () => {
  test('are time-ordered, in nested writes too', async () => {
    const project = await client.project.create({
      data: {
        userId,
        name: 'Notes',
        sessions: { create: [{ jobs: { createMany: { data: [{ prompt: 'a' }, { prompt: 'b' }] } } }] },
      },
      include: { sessions: { include: { jobs: true } } },
    });
    const all = [
      project.id,
      ...project.sessions.flatMap((session) => [session.id, ...session.jobs.map((job) => job.id)]),
    ];
    expect(all).toHaveLength(4);
    for (const id of all) expect(version(id)).toBe(7);
  });

  test('given by the caller are kept', async () => {
    const id = '11111111-1111-4111-8111-111111111111';
    const made = await client.project.upsert({
      where: { id },
      create: { id, userId, name: 'Mine' },
      update: { name: 'Other' },
    });
    expect(made.id).toBe(id);
  });

  test('made by plain SQL are random ones', async () => {
    const { rows } = await db.sql.query(
      "insert into public.projects (user_id, name) values ($1, 'sql') returning id",
      [userId],
    );
    expect(version(rows[0].id)).toBe(4);
  });
});

test('every model of the schema can be read', async () => {
  const counts = [
    client.user.count(),
    client.profile.count(),
    client.tierLimit.count(),
    client.project.count(),
    client.codingSession.count(),
    client.codingJob.count(),
    client.sessionEvent.count(),
    client.jobAttempt.count(),
    client.worker.count(),
    client.eventArchive.count(),
  ];
  for (const count of await Promise.all(counts)) expect(count).toBeGreaterThanOrEqual(0);
});
