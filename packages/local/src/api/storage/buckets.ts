import { type Context, Hono } from 'hono';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { Caller } from '../tokens.ts';
import type { Blobs } from './blobs.ts';
import { bodyOf } from './body.ts';
import { asCaller } from './caller.ts';
import { noSuchBucket, StorageError } from './errors.ts';
import { bucketName } from './names.ts';
import type { ObjectRow } from './objects.ts';

const UNITS: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 };

const sizeLimit = z
  .union([z.number().int().positive(), z.string().regex(/^\d+(\.\d+)?(gb|mb|kb|b)?$/i)])
  .transform((size) => {
    if (typeof size === 'number') return size;
    const [, number, unit = 'b'] = /^([\d.]+)([a-z]*)$/i.exec(size) ?? [];
    return Math.round(Number(number) * (UNITS[unit.toLowerCase() || 'b'] as number));
  })
  .refine((size) => Number.isSafeInteger(size), 'is too large')
  .nullish();

const settings = {
  public: z.boolean().nullish(),
  file_size_limit: sizeLimit,
  allowed_mime_types: z.array(z.string()).nullish(),
};
const newBucket = z.object({ id: z.string().nullish(), name: z.string(), ...settings });
const changedBucket = z.object(settings);

const SHOWN =
  'id, name, owner, owner_id, public, file_size_limit::float8, allowed_mime_types, created_at, updated_at, type';

/** `/bucket`: row-level security on storage.buckets decides, so in general the service key is needed. */
export function bucketRoutes(
  pool: Pool,
  blobs: Blobs,
  callerOf: (c: Context) => Promise<Caller>,
): Hono<{ Variables: { caller: Caller } }> {
  const app = new Hono<{ Variables: { caller: Caller } }>();
  app.use(async (c, next) => {
    c.set('caller', await callerOf(c));
    await next();
  });

  app.get('/', (c) =>
    asCaller(pool, c.get('caller'), 'storage.bucket.list', async (client) => {
      const { rows } = await client.query(`select ${SHOWN} from storage.buckets order by name`);
      return c.json(rows);
    }),
  );

  app.get('/:id', (c) =>
    asCaller(pool, c.get('caller'), 'storage.bucket.get', async (client) => {
      const { rows } = await client.query(`select ${SHOWN} from storage.buckets where id = $1`, [
        c.req.param('id'),
      ]);
      if (!rows[0]) throw noSuchBucket();
      return c.json(rows[0]);
    }),
  );

  app.post('/', async (c) => {
    const body = await bodyOf(c, newBucket);
    const [id, name] = [bucketName(body.id ?? body.name), bucketName(body.name)];
    await asCaller(pool, c.get('caller'), 'storage.bucket.create', (client) =>
      client.query(
        `insert into storage.buckets (id, name, owner_id, public, file_size_limit, allowed_mime_types)
         values ($1, $2, $3, $4, $5, $6)`,
        [
          id,
          name,
          c.get('caller').claims.sub ?? null,
          body.public ?? false,
          body.file_size_limit ?? null,
          body.allowed_mime_types ?? null,
        ],
      ),
    );
    return c.json({ name: id });
  });

  app.put('/:id', async (c) => {
    const body = await bodyOf(c, changedBucket);
    await asCaller(pool, c.get('caller'), 'storage.bucket.update', async (client) => {
      const { rowCount } = await client.query(
        `update storage.buckets
         set public = coalesce($2, public), updated_at = now(),
           file_size_limit = case when $3 then $4 else file_size_limit end,
           allowed_mime_types = case when $5 then $6 else allowed_mime_types end
         where id = $1`,
        [
          c.req.param('id'),
          body.public ?? null,
          body.file_size_limit !== undefined,
          body.file_size_limit ?? null,
          body.allowed_mime_types !== undefined,
          body.allowed_mime_types ?? null,
        ],
      );
      if (rowCount === 0) throw noSuchBucket();
    });
    return c.json({ message: 'Successfully updated' });
  });

  app.post('/:id/empty', async (c) => {
    const rows = await asCaller(pool, c.get('caller'), 'storage.bucket.empty', async (client) => {
      const bucket = await client.query('select from storage.buckets where id = $1', [c.req.param('id')]);
      if (bucket.rowCount === 0) throw noSuchBucket();
      const removed = await client.query<ObjectRow>(
        'delete from storage.objects where bucket_id = $1 returning version',
        [c.req.param('id')],
      );
      return removed.rows;
    });
    await blobs.remove(rows.map(({ version }) => version));
    return c.json({ message: 'Successfully emptied' });
  });

  app.delete('/:id', async (c) => {
    await asCaller(pool, c.get('caller'), 'storage.bucket.delete', async (client) => {
      const held = await client.query('select from storage.objects where bucket_id = $1 limit 1', [
        c.req.param('id'),
      ]);
      if (held.rowCount) {
        throw new StorageError(409, 'InvalidRequest', 'The bucket you tried to delete is not empty');
      }
      const { rowCount } = await client.query('delete from storage.buckets where id = $1', [
        c.req.param('id'),
      ]);
      if (rowCount === 0) throw noSuchBucket();
    });
    return c.json({ message: 'Successfully deleted' });
  });

  return app;
}
