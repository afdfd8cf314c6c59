import { setMaxListeners } from 'node:events';
import type { StackKeys } from '@mobvibe/local/api';
import { followSession } from '@mobvibe/sync';
import { createClient } from '@supabase/supabase-js';
import { SignJWT } from 'jose';
import WebSocket from 'ws';
import type { RunningJob } from './running-job.ts';

/** Phones that follow one session. */
export interface Audience {
  /** When each of them was given the event of that seq, by `performance.now()`. */
  next(seq: number): Promise<number[]>;
  /** Resolves when all have been given the event of that seq. */
  reached(seq: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens the phones, each with a client and a connection of its own, and waits until all follow. */
export async function createAudience(options: {
  url: string;
  keys: StackKeys;
  job: RunningJob;
  size: number;
}): Promise<Audience> {
  const { url, keys, job, size } = options;
  setMaxListeners(0);
  const token = await new SignJWT({ sub: job.userId, role: 'authenticated', aud: 'authenticated' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('6h')
    .sign(new TextEncoder().encode(keys.jwtSecret));

  const waiting = new Map<number, (at: number) => void>();
  const arrived = (seq: number) => waiting.get(seq)?.(performance.now());
  const phones = await Promise.all(
    Array.from({ length: size }, async () => {
      const client = createClient(url, keys.anonKey, {
        accessToken: async () => token,
        realtime: { transport: WebSocket as never },
      });
      // A private join right after createClient would be made as anon.
      await client.realtime.setAuth();
      return new Promise<{ leave(): Promise<unknown> }>((live) => {
        const followed = followSession(client, job.sessionId, ({ seq }) => arrived(seq), {
          onStatus: (status) => {
            if (status === 'live') live({ leave });
          },
        });
        const leave = async () => {
          await followed.close();
          await client.realtime.disconnect();
        };
      });
    }),
  );

  const next = (seq: number): Promise<number[]> =>
    new Promise((resolve) => {
      const arrivals: number[] = [];
      waiting.set(seq, (at) => {
        if (arrivals.push(at) < size) return;
        waiting.delete(seq);
        resolve(arrivals);
      });
    });
  return {
    next,
    reached: async (seq) => {
      await next(seq);
    },
    close: async () => {
      await Promise.all(phones.map((phone) => phone.leave()));
    },
  };
}
