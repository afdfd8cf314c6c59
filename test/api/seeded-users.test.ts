import { createServiceClient } from '@mobvibe/db';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SEED_PASSWORD, seed, seededUsers } from '../../apps/seed/src/index.ts';
import { contractTarget, startOwn, type Target } from './target.ts';

let own: Awaited<ReturnType<typeof startOwn>>;
let target: Target;
beforeAll(async () => {
  own = await startOwn();
  target = await contractTarget(own.environment);
  const client = createServiceClient({ url: own.database.url });
  await seed(client);
  await client.$disconnect();
});
afterAll(() => own?.stop());

test('users of the sample data sign in and find what is theirs', async () => {
  for (const { id, email } of seededUsers()) {
    if (email === null) continue;
    const client = target.client();
    const { data, error } = await client.auth.signInWithPassword({ email, password: SEED_PASSWORD });
    expect(error).toBeNull();
    expect(data.user?.id).toBe(id);
    const { data: profile } = await client.from('profiles').select('id').single();
    expect(profile).toEqual({ id });
    const { count } = await client.from('projects').select('id', { count: 'exact', head: true });
    const { rows } = await own.database.sql.query<{ count: number }>(
      'select count(*)::int as count from public.projects where user_id = $1',
      [id],
    );
    expect(count).toBe(rows[0]?.count);
  }
});
