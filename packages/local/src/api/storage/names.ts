import { invalidKey, StorageError } from './errors.ts';

// What S3 takes without special handling: the Storage API refuses everything else.
const KEY = /^[\w/!\-.*'() &$@=;:+,?]+$/;
const BUCKET = /^[\w!\-.*'() &$@=;:+,?]{1,100}$/;
const LONGEST = 1024;

/**
 * The name of an object.
 * @throws StorageError when it is none, or when somebody could take it for a path to elsewhere.
 */
export function objectName(name: string): string {
  const parts = name.split('/');
  const leads = parts.some((part) => part === '' || part === '.' || part === '..');
  if (!KEY.test(name) || name.length > LONGEST || leads) throw invalidKey(name.slice(0, LONGEST));
  return name;
}

/** @throws StorageError when a bucket cannot be called that. */
export function bucketName(name: string): string {
  if (BUCKET.test(name)) return name;
  throw new StorageError(400, 'Invalid Input', 'Bucket name invalid');
}

/**
 * Bucket and object that a URL names behind `/storage/v1/<route>/`.
 * @throws StorageError
 */
export function named(url: string, route: string): { bucket: string; name: string } {
  const path = new URL(url).pathname.slice(`/storage/v1/${route}/`.length);
  const slash = path.indexOf('/');
  return { bucket: decoded(path.slice(0, slash)), name: objectName(decoded(path.slice(slash + 1))) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidKey(text.slice(0, LONGEST));
  }
}
