import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { writeWhole } from '../files.ts';
import { readKeys, type StackKeys } from './keys.ts';

const YEARS = 10;

/** New keys, unlike those of any other stack: the CLI's well-known ones would let every website in the browser in. */
export async function makeKeys(): Promise<StackKeys> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwtSecret = randomBytes(40).toString('base64url');
  return {
    signingKey: { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: crypto.randomUUID() },
    jwtSecret,
    anonKey: await legacyKey('anon', jwtSecret),
    serviceRoleKey: await legacyKey('service_role', jwtSecret),
    publishableKey: `sb_publishable_${opaque()}`,
    secretKey: `sb_secret_${opaque()}`,
  };
}

function legacyKey(role: string, secret: string): Promise<string> {
  return new SignJWT({ role })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer('supabase-local')
    .setIssuedAt()
    .setExpirationTime(`${YEARS} years`)
    .sign(new TextEncoder().encode(secret));
}

const opaque = () => `${randomBytes(16).toString('base64url')}_${randomBytes(6).toString('base64url')}`;

/** The keys kept in a file, made at the first call: applications have them in their configuration. */
export async function keptKeys(path: string): Promise<StackKeys> {
  const kept = readKeys(path);
  if (kept) return kept;
  const keys = await makeKeys();
  await writeWhole(path, `${JSON.stringify(keys, null, 2)}\n`, 0o600);
  return keys;
}
