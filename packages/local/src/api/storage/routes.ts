import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { NodeApp } from '../gateway.ts';
import type { StackKeys } from '../keys.ts';
import { type Caller, credential, type VerifyKeyOrToken } from '../tokens.ts';
import type { Blobs } from './blobs.ts';
import { bodyOf } from './body.ts';
import { bucketRoutes } from './buckets.ts';
import { trusted } from './caller.ts';
import { download, infoOf } from './downloads.ts';
import {
  accessDenied,
  isStorageError,
  noSuchBucket,
  respondWithError,
  StorageError,
  tooLarge,
} from './errors.ts';
import { named, objectName } from './names.ts';
import {
  copyObject,
  findBucket,
  findObject,
  listObjects,
  moveObject,
  type Place,
  rehearse,
  removeObjects,
  store,
} from './objects.ts';
import { createSignedUrls } from './urls.ts';

const UPLOAD_SECONDS = 7200;
const JSON_LIMIT = 1024 * 1024;

const listing = z.object({
  prefix: z
    .string()
    .max(1024)
    .nullish()
    .transform((prefix) => prefix ?? ''),
  search: z
    .string()
    .max(1024)
    .nullish()
    .transform((search) => search ?? ''),
  limit: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .nullish()
    .transform((limit) => limit ?? 100),
  offset: z
    .number()
    .int()
    .min(0)
    .nullish()
    .transform((offset) => offset ?? 0),
  sortBy: z
    .object({
      column: z.enum(['name', 'updated_at', 'created_at', 'last_accessed_at']).nullish(),
      order: z.enum(['asc', 'desc']).nullish(),
    })
    .nullish()
    .transform((sort) => ({ column: sort?.column ?? 'name', order: sort?.order ?? 'asc' })),
});
const removal = z.object({ prefixes: z.array(z.string()).min(1).max(1000) });
const signing = z.object({ expiresIn: z.number(), paths: z.array(z.string()).max(1000).optional() });
const transfer = z.object({
  bucketId: z.string(),
  sourceKey: z.string(),
  destinationKey: z.string(),
  destinationBucket: z.string().nullish(),
});

/** `/storage/v1`: files whose rows in storage.objects row-level security guards. */
export function storageRoutes(options: {
  pool: Pool;
  blobs: Blobs;
  keys: StackKeys;
  verify: VerifyKeyOrToken;
  log(line: string): void;
}): NodeApp {
  const { pool, blobs, verify, log } = options;
  const urls = createSignedUrls(options.keys);
  const app: NodeApp = new Hono();
  app.onError((error, c) => respondWithError(c, error, log));
  app.notFound((c) =>
    respondWithError(c, new StorageError(404, 'not_found', 'the local stack has no such endpoint'), log),
  );

  const caller = async (c: Context): Promise<Caller> => {
    const text = credential(c.req);
    if (!text) throw accessDenied('No API key or token found in request');
    return verify(text);
  };
  const small = bodyLimit({
    maxSize: JSON_LIMIT,
    onError: (c) => respondWithError(c, tooLarge(), log),
  });

  app.use('/bucket/*', small);
  app.route('/bucket', bucketRoutes(pool, blobs, caller));

  app.post('/object/list/:bucket', small, async (c) => {
    const body = await bodyOf(c, listing);
    return c.json(await listObjects(pool, await caller(c), c.req.param('bucket'), body));
  });

  app.on(['POST'], ['/object/move', '/object/copy'], small, async (c) => {
    const body = await bodyOf(c, transfer);
    const from = { bucket: body.bucketId, name: objectName(body.sourceKey) };
    const to = { bucket: body.destinationBucket ?? body.bucketId, name: objectName(body.destinationKey) };
    const who = await caller(c);
    if (c.req.url.endsWith('/copy')) {
      const mode = c.req.header('x-upsert') === 'true' ? 'upsert' : 'insert';
      return c.json(await copyObject(pool, blobs, { caller: who, from, to, mode }));
    }
    await moveObject(pool, who, from, to);
    return c.json({ message: 'Successfully moved' });
  });

  app.get('/object/public/*', async (c) => {
    const place = await publicPlace(named(c.req.url, 'object/public'));
    return download(c, blobs, () => findObject(pool, trusted(), place, 'storage.object.get_public'));
  });
  app.get('/object/info/public/*', async (c) => {
    const place = await publicPlace(named(c.req.url, 'object/info/public'));
    return c.json(infoOf(await findObject(pool, trusted(), place, 'storage.object.get_public')));
  });
  const publicPlace = async (place: Place): Promise<Place> => {
    if (!(await findBucket(pool, place.bucket)).public) throw noSuchBucket();
    return place;
  };

  app.post('/object/upload/sign/*', async (c) => {
    const place = named(c.req.url, 'object/upload/sign');
    const who = await caller(c);
    const upsert = c.req.header('x-upsert') === 'true';
    await findBucket(pool, place.bucket);
    await rehearse(pool, who, place, upsert ? 'upsert' : 'insert');
    const owner = typeof who.claims.sub === 'string' ? who.claims.sub : undefined;
    const token = await urls.sign({ use: 'upload', place, owner, upsert }, UPLOAD_SECONDS);
    return c.json({ url: `/object/upload/sign/${pathOf(place)}?token=${token}`, token });
  });
  app.put('/object/upload/sign/*', async (c) => {
    const place = named(c.req.url, 'object/upload/sign');
    const { owner, upsert } = await urls.verify(c.req.query('token'), 'upload', place);
    const mode = upsert ? 'upsert' : 'insert';
    return c.json(await store(pool, blobs, c.env.incoming, { caller: trusted(owner), place, mode }));
  });

  app.post('/object/sign/:bucket', small, async (c) => {
    const { expiresIn, paths = [] } = await bodyOf(c, signing);
    const who = await caller(c);
    return c.json(
      await Promise.all(
        paths.map(async (path) => {
          try {
            const place = { bucket: c.req.param('bucket'), name: objectName(path) };
            return { error: null, path, signedURL: await signed(who, place, expiresIn) };
          } catch (error) {
            if (!isStorageError(error) || error.statusCode === 400) throw error;
            const reason = 'Either the object does not exist or you do not have access to it';
            return { error: reason, path, signedURL: null };
          }
        }),
      ),
    );
  });
  app.post('/object/sign/*', small, async (c) => {
    const place = named(c.req.url, 'object/sign');
    const { expiresIn } = await bodyOf(c, signing);
    return c.json({ signedURL: await signed(await caller(c), place, expiresIn) });
  });
  const signed = async (who: Caller, place: Place, seconds: number): Promise<string> => {
    await findObject(pool, who, place, 'storage.object.sign');
    const token = await urls.sign({ use: 'download', place }, seconds);
    return `/object/sign/${pathOf(place)}?token=${token}`;
  };
  app.get('/object/sign/*', async (c) => {
    const place = named(c.req.url, 'object/sign');
    await urls.verify(c.req.query('token'), 'download', place);
    return download(c, blobs, () => findObject(pool, trusted(), place, 'storage.object.get_signed'));
  });

  for (const route of ['object/info/authenticated', 'object/info']) {
    app.get(`/${route}/*`, async (c) => {
      const place = named(c.req.url, route);
      return c.json(infoOf(await findObject(pool, await caller(c), place, 'storage.object.info')));
    });
  }
  for (const route of ['object/authenticated', 'object']) {
    app.get(`/${route}/*`, async (c) => {
      const place = named(c.req.url, route);
      const who = await caller(c);
      return download(c, blobs, () => findObject(pool, who, place, 'storage.object.get_authenticated'));
    });
  }

  app.on(['POST', 'PUT'], '/object/*', async (c) => {
    const place = named(c.req.url, 'object');
    const replaces = c.req.header('x-upsert') === 'true' ? 'upsert' : 'insert';
    const mode = c.req.method === 'PUT' ? 'update' : replaces;
    return c.json(await store(pool, blobs, c.env.incoming, { caller: await caller(c), place, mode }));
  });

  app.delete('/object/:bucket', small, async (c) => {
    const { prefixes } = await bodyOf(c, removal);
    return c.json(await removeObjects(pool, blobs, await caller(c), c.req.param('bucket'), prefixes));
  });
  app.delete('/object/*', async (c) => {
    const { bucket, name } = named(c.req.url, 'object');
    const removed = await removeObjects(pool, blobs, await caller(c), bucket, [name]);
    if (removed.length === 0) throw new StorageError(404, 'not_found', 'Object not found');
    return c.json({ message: 'Successfully deleted' });
  });

  return app;
}

// Clients encode it themselves.
const pathOf = ({ bucket, name }: Place): string => `${bucket}/${name}`;
