import { createAppClient } from '@mobvibe/db';
import type { PhoneEvent } from './followed.ts';

export type Phone = ReturnType<typeof openPhone>;

/** What a signed-in user can do from the phone; row-level security decides on every statement. */
export function openPhone(databaseUrl: string, userId: string) {
  const app = createAppClient({ url: databaseUrl, poolSize: 1 });
  const mine = app.asUser({ sub: userId, role: 'authenticated' });
  const select = { id: true };
  return {
    mine,
    createProject: async (name: string) => (await mine.project.create({ data: { name }, select })).id,
    openSession: async (projectId: string) =>
      (await mine.codingSession.create({ data: { projectId }, select })).id,
    enqueue: async (sessionId: string, prompt: string) =>
      (await mine.codingJob.create({ data: { sessionId, prompt, priority: 20 }, select })).id,
    eventsSince: (sessionId: string, seq: bigint) =>
      mine.$queryRaw<(PhoneEvent & { seq: bigint })[]>`
        select seq, type::text, payload from public.events_since(${sessionId}::uuid, ${seq})`,
    job: (id: string) =>
      mine.codingJob.findUniqueOrThrow({ where: { id }, select: { status: true, errorMessage: true } }),
    cancelOpenSessions: () =>
      mine.codingSession.updateMany({
        where: { status: { in: ['pending', 'active'] } },
        data: { status: 'cancelled' },
      }),
    hangUp: () => app.$disconnect(),
  };
}
