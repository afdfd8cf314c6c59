import { isStorageError, StorageClient, type StorageError } from '@supabase/storage-js';
import pRetry from 'p-retry';

/** Made by the SQL layer, with the policies that let users read their own folder only. */
const PROJECT_FILES = 'project-files';

/** Where Supabase's API is, and the key that row-level security does not bind. */
export interface StorageConfig {
  url: string;
  key: string;
}

/** A bucket, as the service role. Each function throws the signal's reason, or a StorageError. */
export interface Bucket {
  /** How many bytes a file may have. */
  sizeLimit(): Promise<number>;
  /** Writes a file, over the one that is there. */
  upload(name: string, content: Buffer, contentType: string): Promise<void>;
  /** Removes files; one that is not there is no error. */
  remove(names: string[]): Promise<void>;
  /** @returns undefined where there is no such file */
  download(name: string): Promise<Buffer | undefined>;
  /** The names of all files below a folder. */
  list(folder: string): Promise<string[]>;
}

const REQUEST_MS = 30_000;
/** What one request may remove. */
const REMOVED_AT_ONCE = 1_000;
const LISTED_AT_ONCE = 1_000;

/**
 * @param options.signal aborts what is under way
 * @param options.retries how often a request is tried again that failed for a passing reason
 * @param options.bucket by default the one of all sessions' files
 */
export function openBucket(
  { url, key }: StorageConfig,
  { signal, retries, bucket = PROJECT_FILES }: { signal: AbortSignal; retries: number; bucket?: string },
): Bucket {
  const client = new StorageClient(
    `${url.replace(/\/$/, '')}/storage/v1`,
    { apikey: key, authorization: `Bearer ${key}` },
    (input, init) =>
      fetch(input, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]) }),
  );
  const files = client.from(bucket);

  async function request<T>(send: () => Promise<Answer<T>>): Promise<T> {
    const attempt = async () => {
      const { data, error } = await send();
      if (error) throw error;
      return data;
    };
    try {
      return await pRetry(attempt, {
        retries,
        minTimeout: 250,
        maxTimeout: 4_000,
        randomize: true,
        signal,
        shouldRetry: ({ error }) => isPassing(error),
      });
    } catch (error) {
      // p-retry makes an error of its own of a reason that is none.
      signal.throwIfAborted();
      throw error;
    }
  }

  async function list(folder: string): Promise<string[]> {
    const names: string[] = [];
    for (let offset = 0; ; offset += LISTED_AT_ONCE) {
      const entries = await request(() => files.list(folder, { limit: LISTED_AT_ONCE, offset }));
      for (const { id, name } of entries) {
        const path = `${folder}/${name}`;
        // A folder has no id.
        if (id) names.push(path);
        else names.push(...(await list(path)));
      }
      if (entries.length < LISTED_AT_ONCE) return names;
    }
  }

  return {
    async sizeLimit() {
      const { file_size_limit } = await request(() => client.getBucket(bucket));
      return file_size_limit ?? Number.POSITIVE_INFINITY;
    },
    async upload(name, content, contentType) {
      // The next job may change it: nobody is to keep it without asking.
      const options = { contentType, upsert: true, cacheControl: '0' };
      await request(() => files.upload(name, content, options));
    },
    async remove(names) {
      for (let first = 0; first < names.length; first += REMOVED_AT_ONCE) {
        await request(() => files.remove(names.slice(first, first + REMOVED_AT_ONCE)));
      }
    },
    async download(name) {
      try {
        const blob = await request<Blob>(async () => files.download(name));
        return Buffer.from(await blob.arrayBuffer());
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },
    list,
  };
}

type Answer<T> = { data: T; error: null } | { data: null; error: StorageError };

/** The status of an answer: many an answer of Storage is an HTTP 400 whose body says which it is. */
function statusOf(error: unknown): number | undefined {
  if (!isStorageError(error)) return undefined;
  const inBody = Number(error.statusCode);
  return Number.isInteger(inBody) && inBody > 0 ? inBody : error.status;
}

/** Whether the same request may succeed a little later: Storage is busy, broken or out of reach. */
function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  if (status === undefined) return isStorageError(error);
  return status === 408 || status === 429 || status >= 500;
}

/** True for an error of one file: Storage will not have it, for its size, its type or its name. */
export const isRefused = (error: unknown) => [400, 413, 415, 422].includes(statusOf(error) ?? 0);
