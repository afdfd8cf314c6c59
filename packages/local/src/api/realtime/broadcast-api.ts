import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';
import { bearer, type Caller } from '../tokens.ts';
import type { Services } from './channel.ts';
import { type Broadcast, broadcastJson, parseJson } from './frame.ts';
import { createRate } from './limits.ts';
import { mayBroadcast } from './policies.ts';

const bodySchema = z.object({
  messages: z
    .array(
      z.object({
        topic: z.string().min(1),
        event: z.string().min(1),
        payload: z.record(z.string(), z.unknown()),
        private: z.boolean().nullish(),
      }),
    )
    .min(1),
});

/**
 * Broadcasting without a WebSocket, as realtime-js does with `send` before it has joined, and with `httpSend`. What the
 * caller may not send to a private topic is dropped, with 202, as hosted Supabase does.
 */
export function createBroadcastApi(services: Services): Hono {
  const { limits, topics, pool, log } = services;
  const tooManyMessages = createRate(limits.messagesPerSecond);

  const identify = async (authorization: string | undefined, key: string | undefined): Promise<Caller> => {
    const token = bearer(authorization) ?? key;
    if (!token) throw new HTTPException(401, { message: 'no key: send the header apikey' });
    return services.verify(token).catch(() => {
      throw new HTTPException(401, { message: 'the token or key is malformed, expired, or unknown' });
    });
  };
  const count = (messages: number) => {
    if (tooManyMessages(messages))
      throw new HTTPException(429, { message: 'You have exceeded your rate limit' });
  };
  const send = async (caller: Caller, topic: string, isPrivate: boolean, broadcasts: Broadcast[]) => {
    const joined = topics.find(topic, isPrivate);
    if (!joined || (isPrivate && !(await mayBroadcast(pool, topic, caller)))) return;
    for (const broadcast of broadcasts) joined.broadcast(broadcast);
  };

  const api = new Hono();
  api.onError((error, c) => {
    if (error instanceof HTTPException) return c.json({ message: error.message }, error.status);
    log(`HTTP broadcast failed: ${error.message}`);
    return c.json({ message: 'Realtime was unable to connect to the project database' }, 503);
  });
  api.use(
    bodyLimit({
      maxSize: limits.messageBytes,
      onError: (c) => c.json({ message: `more than ${limits.messageBytes} bytes` }, 413),
    }),
  );

  api.post('/api/broadcast', async (c) => {
    const caller = await identify(c.req.header('authorization'), c.req.header('apikey'));
    const body = bodySchema.safeParse(parseJson(await c.req.text()));
    if (!body.success) return c.json({ errors: z.flattenError(body.error).fieldErrors }, 422);
    const { messages } = body.data;
    count(messages.length);
    // A topic is asked for once, and its messages stay in order.
    const byTopic = new Map<string, typeof messages>();
    for (const message of messages) {
      const key = `${message.private === true} ${message.topic}`;
      byTopic.set(key, [...(byTopic.get(key) ?? []), message]);
    }
    for (const group of byTopic.values()) {
      const { topic, private: isPrivate } = group[0] as (typeof messages)[number];
      const broadcasts = group.map(({ event, payload }) => ({
        json: broadcastJson(event, JSON.stringify(payload)),
      }));
      await send(caller, topic, isPrivate === true, broadcasts);
    }
    return c.body(null, 202);
  });

  api.post('/api/broadcast/:topic/events/:event', async (c) => {
    const caller = await identify(c.req.header('authorization'), c.req.header('apikey'));
    const { topic, event } = c.req.param();
    const isBinary = c.req.header('content-type') === 'application/octet-stream';
    const bytes = Buffer.from(await c.req.arrayBuffer());
    const json = bytes.toString();
    if (!isBinary && parseJson(json) === undefined) {
      return c.json({ message: 'the body is not JSON' }, 422);
    }
    count(1);
    await send(caller, topic, c.req.query('private') === 'true', [
      isBinary ? { event, bytes } : { json: broadcastJson(event, json) },
    ]);
    return c.body(null, 202);
  });
  return api;
}
