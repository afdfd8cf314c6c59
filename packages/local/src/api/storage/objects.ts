import type { IncomingMessage } from 'node:http';
import type { Pool, PoolClient } from 'pg';
import { inTransaction, readQueries } from '../database.ts';
import type { Caller } from '../tokens.ts';
import type { Blobs } from './blobs.ts';
import { asCaller, become } from './caller.ts';
import { noSuchBucket, noSuchKey, tooLarge } from './errors.ts';
import { refuseMimeType, uploadOf } from './uploads.ts';

const query = readQueries(new URL('./queries/', import.meta.url));

// As with the Supabase CLI; a bucket can only allow less.
const LARGEST = 50 * 1024 * 1024;
// What the fields and boundaries of a form may take on top.
const FORM_OVERHEAD = 64 * 1024;

export interface BucketRow {
  id: string;
  name: string;
  public: boolean;
  file_size_limit: string | null;
  allowed_mime_types: string[] | null;
}

export interface ObjectRow {
  id: string;
  bucket_id: string;
  name: string;
  version: string | null;
  metadata: { size?: number; mimetype?: string; eTag?: string; cacheControl?: string } | null;
  user_metadata: object | null;
  created_at: Date;
  updated_at: Date;
  last_accessed_at: Date;
}

export interface Place {
  bucket: string;
  name: string;
}

/** How an upload meets an object that is there: it fails, it replaces, or it needs one. */
export type UploadMode = 'insert' | 'upsert' | 'update';

const QUERY = { insert: 'insert_object', upsert: 'upsert_object', update: 'update_object' } as const;

/** A bucket, whoever asks. */
export async function findBucket(pool: Pool, id: string): Promise<BucketRow> {
  const { rows } = await pool.query<BucketRow>('select * from storage.buckets where id = $1', [id]);
  if (!rows[0]) throw noSuchBucket();
  return rows[0];
}

/** An object that the caller may read. @throws StorageError when there is none. */
export async function findObject(
  pool: Pool,
  caller: Caller,
  place: Place,
  operation: string,
): Promise<ObjectRow> {
  return asCaller(pool, caller, operation, (client) => selectObject(client, place));
}

async function selectObject(client: PoolClient, { bucket, name }: Place): Promise<ObjectRow> {
  const { rows } = await client.query<ObjectRow>(
    'select * from storage.objects where bucket_id = $1 and name = $2',
    [bucket, name],
  );
  if (!rows[0]) throw noSuchKey();
  return rows[0];
}

class Rehearsed extends Error {}

/**
 * Whether the caller may write an object there: what would be written is written, and taken back.
 * @throws what the database says when not.
 */
export async function rehearse(pool: Pool, caller: Caller, place: Place, mode: UploadMode): Promise<void> {
  try {
    await inTransaction(pool, async (client) => {
      await write(client, caller, place, mode, { version: null, metadata: null, userMetadata: undefined });
      throw new Rehearsed();
    });
  } catch (error) {
    if (!(error instanceof Rehearsed)) throw error;
  }
}

/** Writes the row of an object as the caller; returns the version that was there before. */
async function write(
  client: PoolClient,
  caller: Caller,
  { bucket, name }: Place,
  mode: UploadMode,
  content: { version: string | null; metadata: object | null; userMetadata: object | undefined },
): Promise<string | null> {
  // One writer at a time for each name, so that no version is forgotten.
  await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`${bucket}/${name}`]);
  const before = await client.query<{ version: string | null }>(
    'select version from storage.objects where bucket_id = $1 and name = $2',
    [bucket, name],
  );
  await become(client, caller, `storage.object.${mode === 'update' ? 'upload_update' : 'upload'}`);
  const owner = typeof caller.claims.sub === 'string' ? caller.claims.sub : null;
  const { rowCount } = await client.query(query(QUERY[mode]), [
    bucket,
    name,
    owner,
    owner,
    content.metadata,
    content.userMetadata ?? null,
    content.version,
  ]);
  if (rowCount === 0) throw noSuchKey();
  return before.rows[0]?.version ?? null;
}

/**
 * Stores the file of a request. It is visible when the transaction that names its version commits: before that there
 * is the old file, after that the new one.
 */
export async function store(
  pool: Pool,
  blobs: Blobs,
  request: IncomingMessage,
  { caller, place, mode }: { caller: Caller; place: Place; mode: UploadMode },
): Promise<{ Id: string; Key: string }> {
  const bucket = await findBucket(pool, place.bucket);
  const limit = Math.min(LARGEST, Number(bucket.file_size_limit ?? LARGEST));
  if (Number(request.headers['content-length'] ?? 0) > limit + FORM_OVERHEAD) throw tooLarge();
  await rehearse(pool, caller, place, mode);
  const upload = await uploadOf(request);
  refuseMimeType(upload.mimeType, bucket.allowed_mime_types);
  const { version, size, eTag } = await blobs.receive(upload.body, limit);
  const metadata = {
    eTag,
    size,
    mimetype: upload.mimeType,
    cacheControl: upload.cacheControl,
    lastModified: new Date().toISOString(),
    contentLength: size,
    httpStatusCode: 200,
  };
  const replaced = await orRemove(blobs, version, () =>
    inTransaction(pool, (client) =>
      write(client, caller, place, mode, { version, metadata, userMetadata: upload.userMetadata }),
    ),
  );
  await blobs.remove([replaced]);
  return stored(pool, place);
}

// A file that no row names must not stay.
async function orRemove<T>(blobs: Blobs, version: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    await blobs.remove([version]);
    throw error;
  }
}

async function stored(pool: Pool, { bucket, name }: Place): Promise<{ Id: string; Key: string }> {
  const { rows } = await pool.query<{ id: string }>(
    'select id from storage.objects where bucket_id = $1 and name = $2',
    [bucket, name],
  );
  return { Id: rows[0]?.id ?? '', Key: `${bucket}/${name}` };
}

/** Removes what the caller may remove of these; returns it. */
export async function removeObjects(
  pool: Pool,
  blobs: Blobs,
  caller: Caller,
  bucket: string,
  names: string[],
): Promise<ObjectRow[]> {
  const rows = await asCaller(pool, caller, 'storage.object.delete_many', async (client) => {
    const removed = await client.query<ObjectRow>(
      'delete from storage.objects where bucket_id = $1 and name = any($2) returning *',
      [bucket, names],
    );
    return removed.rows;
  });
  await blobs.remove(rows.map(({ version }) => version));
  return rows;
}

/** Gives an object another name; its file stays where it is. */
export async function moveObject(pool: Pool, caller: Caller, from: Place, to: Place): Promise<void> {
  await findBucket(pool, to.bucket);
  await asCaller(pool, caller, 'storage.object.move', async (client) => {
    await selectObject(client, from);
    const { rowCount } = await client.query(
      'update storage.objects set bucket_id = $3, name = $4 where bucket_id = $1 and name = $2',
      [from.bucket, from.name, to.bucket, to.name],
    );
    if (rowCount === 0) throw noSuchKey();
  });
}

/** Copies an object that the caller may read to where the caller may write. */
export async function copyObject(
  pool: Pool,
  blobs: Blobs,
  { caller, from, to, mode }: { caller: Caller; from: Place; to: Place; mode: UploadMode },
): Promise<{ Id: string; Key: string }> {
  await findBucket(pool, to.bucket);
  const source = await findObject(pool, caller, from, 'storage.object.copy');
  if (!source.version) throw noSuchKey();
  await rehearse(pool, caller, to, mode);
  const version = await blobs.copy(source.version);
  const content = { version, metadata: source.metadata, userMetadata: source.user_metadata ?? undefined };
  const replaced = await orRemove(blobs, version, () =>
    inTransaction(pool, (client) => write(client, caller, to, mode, content)),
  );
  await blobs.remove([replaced]);
  return stored(pool, to);
}

export interface Listing {
  prefix: string;
  search: string;
  limit: number;
  offset: number;
  sortBy: { column: string; order: string };
}

/** The files and folders of a folder, as far as the caller may read them. */
export async function listObjects(
  pool: Pool,
  caller: Caller,
  bucket: string,
  listing: Listing,
): Promise<object[]> {
  const folder = listing.prefix.replace(/^\/+|\/+$/g, '');
  return asCaller(pool, caller, 'storage.object.list', async (client) => {
    const { rows } = await client.query<object>(query('list_objects'), [
      bucket,
      folder && `${folder}/`,
      listing.search,
      listing.sortBy.column,
      listing.sortBy.order === 'desc',
      listing.limit,
      listing.offset,
    ]);
    return rows;
  });
}
