import type { ServiceClient } from '@mobvibe/db';

/** The person of the demo: always the same account, so that a second run finds it again. */
const person = {
  id: '00000000-0000-7000-8000-00000000de40',
  email: 'demo@example.com',
  displayName: 'Demo',
  // Enough sessions and priority for a demo that is run again and again.
  tier: 'team',
} as const;

/** Signs the person up, as Supabase Auth would; the trigger makes the profile. Returns the user's id. */
export async function signUp(client: ServiceClient): Promise<string> {
  const { id, email, displayName, tier } = person;
  const now = new Date();
  await client.user.upsert({
    where: { id },
    create: {
      ...{ id, email, aud: 'authenticated', role: 'authenticated' },
      instanceId: '00000000-0000-0000-0000-000000000000',
      emailConfirmedAt: now,
      // Supabase Auth answers 500 at sign-in where one of these is null.
      ...{ confirmationToken: '', recoveryToken: '', emailChangeTokenNew: '', emailChange: '' },
      rawAppMetaData: { provider: 'email', providers: ['email'] },
      rawUserMetaData: { display_name: displayName },
      ...{ createdAt: now, updatedAt: now },
    },
    update: {},
  });
  await client.profile.update({ where: { id }, data: { tier } });
  return id;
}
