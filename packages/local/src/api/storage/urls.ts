import { createHmac } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { StackKeys } from '../keys.ts';
import { StorageError } from './errors.ts';
import type { Place } from './objects.ts';

/** What a signed URL permits. */
export interface Permit {
  use: 'download' | 'upload';
  place: Place;
  /** Uploads: whose the object is, and whether it may replace another. */
  owner?: string | undefined;
  upsert?: boolean;
}

export interface SignedUrls {
  sign(permit: Permit, seconds: number): Promise<string>;
  /** @throws StorageError unless this token permits that. */
  verify(token: string | undefined, use: Permit['use'], place: Place): Promise<Permit>;
}

// A year: longer, and the key is gone before.
const LONGEST_SECONDS = 366 * 86_400;

export function createSignedUrls({ jwtSecret }: StackKeys): SignedUrls {
  // A secret of its own: a signed URL is no key to anything else.
  const secret = createHmac('sha256', jwtSecret).update('signed urls of storage').digest();
  return {
    sign: ({ use, place, owner, upsert }, seconds) => {
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > LONGEST_SECONDS) {
        throw new StorageError(
          400,
          'InvalidRequest',
          'body/expiresIn must be a number of seconds, 1 or more',
        );
      }
      return new SignJWT({ url: urlOf(place), use, ...(owner && { owner }), ...(upsert && { upsert }) })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuedAt()
        .setExpirationTime(`${seconds} seconds`)
        .sign(secret);
    },
    verify: async (token, use, place) => {
      const claims = await claimsOf(token ?? '', secret);
      if (claims.use !== use || claims.url !== urlOf(place)) {
        throw new StorageError(400, 'InvalidSignature', 'Invalid signature');
      }
      return {
        use,
        place,
        owner: typeof claims.owner === 'string' ? claims.owner : undefined,
        upsert: claims.upsert === true,
      };
    },
  };
}

const urlOf = ({ bucket, name }: Place): string => `${bucket}/${name}`;

async function claimsOf(token: string, secret: Uint8Array) {
  try {
    return (await jwtVerify(token, secret, { algorithms: ['HS256'] })).payload;
  } catch (error) {
    const expired = error instanceof errors.JWTExpired;
    throw new StorageError(400, 'InvalidJWT', expired ? '"exp" claim timestamp check failed' : 'Invalid JWT');
  }
}
