import { readFileSync } from 'node:fs';
import type { JWK } from 'jose';

/**
 * The keys of one stack, in the scheme of the Supabase CLI: sessions are signed with ES256, the legacy API keys are
 * HS256 tokens, the newer ones opaque.
 */
export interface StackKeys {
  /** The private key that signs sessions, ES256. */
  signingKey: JWK & { kid: string };
  /** The secret of the legacy keys, HS256. */
  jwtSecret: string;
  anonKey: string;
  serviceRoleKey: string;
  publishableKey: string;
  secretKey: string;
}

/** The keys in a file; undefined when there are none yet. */
export function readKeys(path: string): StackKeys | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as StackKeys;
  } catch {
    // Not there, or left empty by a machine that crashed.
    return undefined;
  }
}

/** What anybody may know of the signing key: the half that verifies. */
export function publicKey({ signingKey: { d: _, ...half } }: StackKeys): JWK {
  return { ...half, key_ops: ['verify'] };
}

/** The variables by which programs find the API, with the names of the Supabase CLI. */
export function apiEnvironment(url: string, keys: StackKeys): Record<string, string> {
  return {
    SUPABASE_URL: url,
    SUPABASE_ANON_KEY: keys.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: keys.serviceRoleKey,
    SUPABASE_PUBLISHABLE_KEY: keys.publishableKey,
    SUPABASE_SECRET_KEY: keys.secretKey,
  };
}
