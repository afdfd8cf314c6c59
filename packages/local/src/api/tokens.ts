import { errors, importJWK, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { publicKey, type StackKeys } from './keys.ts';

/** Who a key or token stands for. */
export interface Caller {
  role: string;
  /** The claims as the database sees them in `request.jwt.claims`. */
  claims: Record<string, unknown>;
}

/**
 * Verifies an API key (`sb_…` or a legacy token) or the access token of a session.
 * @throws TokenError
 */
export type VerifyKeyOrToken = (text: string) => Promise<Caller>;

/** Why a key or token is refused: it is no token, its time is over, or it is not signed by this stack. */
export type TokenFault = 'malformed' | 'expired' | 'wrong';

export class TokenError extends Error {
  readonly fault: TokenFault;

  constructor(fault: TokenFault, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TokenError';
    this.fault = fault;
  }
}

export const isTokenError = (error: unknown): error is TokenError => error instanceof TokenError;

const ROLES = ['anon', 'authenticated', 'service_role'];

/** The verifier of a stack. */
export function createVerifier(keys: StackKeys): VerifyKeyOrToken {
  const opaque = new Map([
    [keys.publishableKey, keys.anonKey],
    [keys.secretKey, keys.serviceRoleKey],
  ]);
  const verification = verificationKeys(keys);
  return async (text) => {
    if (text.startsWith('sb_') && !opaque.has(text)) throw new TokenError('wrong', 'unknown API key');
    const claims = await verified(opaque.get(text) ?? text, verification);
    if (typeof claims.role !== 'string' || !ROLES.includes(claims.role)) {
      throw new TokenError('wrong', 'the role claim names no role of the API');
    }
    return { role: claims.role, claims };
  };
}

// One key an algorithm: a token cannot choose to have the public half taken for a secret.
function verificationKeys(keys: StackKeys): JWTVerifyGetKey {
  const secret = new TextEncoder().encode(keys.jwtSecret);
  const session = importJWK(publicKey(keys), 'ES256');
  return async ({ alg }) => (alg === 'HS256' ? secret : await session);
}

async function verified(token: string, key: JWTVerifyGetKey): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, key, { algorithms: ['ES256', 'HS256'] })).payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new TokenError('expired', 'token is expired', error);
    if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
      throw new TokenError('malformed', 'token is malformed', error);
    }
    throw new TokenError('wrong', 'signature is invalid', error);
  }
}

/** The token of an `Authorization: Bearer …` header. */
export function bearer(header: string | undefined): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(header ?? '')?.[1];
}

/** What a request says of itself by header. */
interface Headed {
  header(name: string): string | undefined;
  query(name: string): string | undefined;
}

/** The API key of a request. */
export function apiKey(request: Headed): string | undefined {
  return request.header('apikey') ?? request.query('apikey');
}

/** What a request is to be judged by: its token, or, where it has none, its API key. */
export function credential(request: Headed): string | undefined {
  return bearer(request.header('authorization')) ?? apiKey(request);
}
