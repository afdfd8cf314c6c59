import { Readable } from 'node:stream';
import type { Context } from 'hono';
import type { Blobs } from './blobs.ts';
import { noSuchKey, StorageError } from './errors.ts';
import type { ObjectRow } from './objects.ts';

/**
 * Answers with the bytes of an object, or with a part of them where a range is asked for.
 * @param find looks the object up; asked again when its version was replaced before it could be opened
 */
export async function download(c: Context, blobs: Blobs, find: () => Promise<ObjectRow>): Promise<Response> {
  let row = await find();
  let file = row.version ? await blobs.open(row.version) : undefined;
  if (!file) {
    row = await find();
    file = row.version ? await blobs.open(row.version) : undefined;
  }
  if (!file) throw noSuchKey();
  let kept = false;
  try {
    const { size } = await file.stat();
    const headers = headersOf(row);
    const name = c.req.query('download');
    if (name !== undefined) {
      const filename = encodeURIComponent(name || (row.name.split('/').at(-1) as string));
      headers.set('content-disposition', `attachment; filename=${filename}; filename*=UTF-8''${filename};`);
    }
    if (c.req.header('if-none-match') === headers.get('etag'))
      return new Response(null, { status: 304, headers });
    const range = rangeOf(c.req.header('range'), size);
    const { start, end } = range ?? { start: 0, end: size - 1 };
    headers.set('content-length', String(end - start + 1));
    if (range) headers.set('content-range', `bytes ${start}-${end}/${size}`);
    if (c.req.method === 'HEAD' || size === 0)
      return new Response(null, { status: range ? 206 : 200, headers });
    // Closes the file when it is read, or when nobody reads any more.
    const body = Readable.toWeb(file.createReadStream({ start, end })) as ReadableStream;
    kept = true;
    return new Response(body, { status: range ? 206 : 200, headers });
  } finally {
    if (!kept) await file.close();
  }
}

function headersOf({ metadata, updated_at }: ObjectRow): Headers {
  return new Headers({
    'content-type': metadata?.mimetype ?? 'application/octet-stream',
    'cache-control': metadata?.cacheControl ?? 'no-cache',
    etag: metadata?.eTag ?? '',
    'last-modified': updated_at.toUTCString(),
    'accept-ranges': 'bytes',
    // A page that somebody uploaded must not act as a page of this origin.
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
  });
}

// One range; of several, as allowed, the whole is sent.
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (start > end) throw new StorageError(416, 'InvalidRange', 'invalid range provided');
  return { start, end };
}

/** An object as `info` answers it. */
export function infoOf(row: ObjectRow): object {
  const { metadata } = row;
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    bucket_id: row.bucket_id,
    size: metadata?.size ?? 0,
    content_type: metadata?.mimetype,
    cache_control: metadata?.cacheControl,
    etag: metadata?.eTag,
    metadata: row.user_metadata ?? {},
    last_modified: row.updated_at,
    created_at: row.created_at,
  };
}
