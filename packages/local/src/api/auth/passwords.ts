import bcrypt from 'bcryptjs';
import { AuthError } from './errors.ts';

const SHORTEST = 6;
// Of what is longer bcrypt sees no more.
const LONGEST_BYTES = 72;
const ROUNDS = 10;

/**
 * The hash of a password that somebody chose.
 * @throws AuthError when it is too short or too long.
 */
export function hashPassword(password: string): Promise<string> {
  if (password.length < SHORTEST) {
    const message = `Password should be at least ${SHORTEST} characters.`;
    throw new AuthError(422, 'weak_password', message, {
      details: { weak_password: { reasons: ['length'], message } },
    });
  }
  if (Buffer.byteLength(password) > LONGEST_BYTES) {
    throw new AuthError(
      400,
      'validation_failed',
      `Password cannot be longer than ${LONGEST_BYTES} characters`,
    );
  }
  return bcrypt.hash(password, ROUNDS);
}

/** Whether a password is the one that was hashed; a user without one has none that is right. */
export async function passwordMatches(password: string, hash: string | null): Promise<boolean> {
  return Boolean(hash) && bcrypt.compare(password, hash as string);
}
