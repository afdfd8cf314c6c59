import bcrypt from 'bcryptjs';
import { digest } from './identity.ts';
import type { NamedDataSet } from './options.ts';

/** What every seeded user signs in with. */
export const SEED_PASSWORD = 'seed-password';

/**
 * The hash of that password with a salt of the data set's own: one for all of its users, because bcrypt is slow by
 * design. At the lowest cost, because the password is public anyway. `2a`, because pgcrypto knows no `2b`.
 */
export function passwordHash({ name }: NamedDataSet): string {
  const salt = bcrypt.encodeBase64(digest(`salt/${name}`), 16);
  return bcrypt.hashSync(SEED_PASSWORD, `$2a$04$${salt}`);
}
