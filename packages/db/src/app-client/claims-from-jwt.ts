import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import type { Claims } from './acting.ts';

/** How a token is verified: by the project's JWT secret (HS256), or by its public signing keys (ES256, RS256). */
export type JwtKeys =
  | { secret: string }
  /** Where the keys are served: `<SUPABASE_URL>/auth/v1/.well-known/jwks.json`. They are cached. */
  | { jwksUrl: string | URL }
  | { jwks: JSONWebKeySet };

export type JwtOptions = JwtKeys & {
  /** By default `authenticated`, as Supabase Auth writes it. */
  audience?: string;
  /** Checked where it is given: `<SUPABASE_URL>/auth/v1`. */
  issuer?: string;
};

export type JwtRefusal =
  | 'malformed'
  | 'algorithm'
  | 'signature'
  | 'expired'
  | 'not yet valid'
  | 'audience'
  | 'issuer'
  | 'keys unreachable';

/**
 * Verifies an access token and returns its claims, for `asUser`.
 * @throws Error that `isJwtRefused` recognises, when the token is not to be trusted.
 */
export async function claimsFromJwt(token: string, options: JwtOptions): Promise<Claims> {
  const { audience = 'authenticated', issuer } = options;
  const checks = { audience, requiredClaims: ['exp', 'sub'], ...(issuer && { issuer }) };
  try {
    const { payload } =
      'secret' in options
        ? await jwtVerify(token, secretKey(options.secret), { ...checks, algorithms: ['HS256'] })
        : await jwtVerify(token, publicKeys(options), { ...checks, algorithms: ['ES256', 'RS256'] });
    return claimsOf(payload);
  } catch (error) {
    throw explained(error, audience, issuer);
  }
}

/** Whether the error is of `claimsFromJwt`, and for this reason where one is given. */
export const isJwtRefused = (error: unknown, reason?: JwtRefusal): error is Error & { reason: JwtRefusal } =>
  error instanceof Error &&
  error.name === 'JwtRefused' &&
  'reason' in error &&
  (reason === undefined || error.reason === reason);

const claimsOf = ({ sub = '', role, ...rest }: JWTPayload): Claims => ({
  ...rest,
  sub,
  role: String(role ?? ''),
});

function secretKey(secret: string): Uint8Array {
  // Anybody can sign with an empty one.
  if (!secret) throw new Error('the JWT secret is empty');
  return new TextEncoder().encode(secret);
}

const remoteKeys = new Map<string, ReturnType<typeof createRemoteJWKSet>>();

function publicKeys(options: Exclude<JwtKeys, { secret: string }>) {
  if ('jwks' in options) return createLocalJWKSet(options.jwks);
  const url = new URL(options.jwksUrl);
  const keys = remoteKeys.get(url.href) ?? createRemoteJWKSet(url);
  remoteKeys.set(url.href, keys);
  return keys;
}

function explained(error: unknown, audience: string, issuer: string | undefined): unknown {
  const refuse = (reason: JwtRefusal, message: string) =>
    Object.assign(new Error(message, { cause: error }), { name: 'JwtRefused', reason });
  if (error instanceof errors.JWTExpired)
    return refuse(
      'expired',
      `the token expired at ${new Date(Number(error.payload.exp) * 1000).toISOString()}`,
    );
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing' && ['exp', 'sub'].includes(error.claim))
      return refuse('malformed', `the token has no ${error.claim}`);
    if (error.claim === 'nbf') return refuse('not yet valid', 'the token is not valid yet');
    if (error.claim === 'aud') return refuse('audience', `the token is not for the audience "${audience}"`);
    if (error.claim === 'iss') return refuse('issuer', `the token was not issued by ${issuer}`);
    return refuse('malformed', `the token’s ${error.claim} is not as it should be`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refuse('signature', 'the token was signed with another key');
  if (error instanceof errors.JWKSNoMatchingKey)
    return refuse('signature', 'the token was signed with a key that is not among the public keys');
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return refuse('algorithm', 'the token is not signed with an algorithm that these keys allow');
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return refuse('malformed', 'the token is not a JWT');
  if (error instanceof errors.JOSEError || (error instanceof TypeError && error.message === 'fetch failed'))
    return refuse('keys unreachable', `the public keys cannot be read: ${error.message}`);
  return error;
}
