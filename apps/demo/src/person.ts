import { randomUUID } from 'node:crypto';
import type { Target } from '@mobvibe/cli';
import type { ServiceClient } from '@mobvibe/db';
import { SEED_PASSWORD } from '@mobvibe/seed';
import bcrypt from 'bcryptjs';

/** The person of the demo: always the same account, so that a second run finds it again. */
const person = {
  id: '00000000-0000-7000-8000-00000000de40',
  email: 'demo@example.com',
  displayName: 'Demo',
  // Enough sessions and priority for a demo that is run again and again.
  tier: 'team',
} as const;

export interface Person {
  id: string;
  email: string;
  password: string;
}

/**
 * Signs the person up, as Supabase Auth would; the trigger makes the profile. The password is that of the sample data;
 * on a database that others can reach, a new one that nobody learns.
 */
export async function signUp(client: ServiceClient, to: Target): Promise<Person> {
  const { id, email, displayName, tier } = person;
  const password = to.isLocal ? SEED_PASSWORD : randomUUID();
  const encryptedPassword = await bcrypt.hash(password, to.isLocal ? 4 : 10);
  const now = new Date();
  await client.user.upsert({
    where: { id },
    create: {
      ...{ id, email, aud: 'authenticated', role: 'authenticated' },
      instanceId: '00000000-0000-0000-0000-000000000000',
      encryptedPassword,
      emailConfirmedAt: now,
      // Supabase Auth answers 500 at sign-in where one of these is null.
      ...{ confirmationToken: '', recoveryToken: '', emailChangeTokenNew: '', emailChange: '' },
      rawAppMetaData: { provider: 'email', providers: ['email'] },
      rawUserMetaData: { display_name: displayName },
      ...{ createdAt: now, updatedAt: now },
    },
    update: { encryptedPassword },
  });
  await client.profile.update({ where: { id }, data: { tier } });
  return { id, email, password };
}
