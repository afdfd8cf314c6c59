import { randomUUID } from 'node:crypto';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { SignJWT } from 'jose';
import pg from 'pg';
import { vi } from 'vitest';
import WebSocket from 'ws';
import { startOwn } from '../api/target.ts';
import { adminUrlOf } from '../harness/database.ts';
import { append, createRunningWork } from '../sync/support.ts';

export interface Phone {
  client: SupabaseClient;
  userId: string;
  /** Breaks its connections, as a tunnel does. */
  cut(): void;
  /** What it received over its WebSockets, in bytes. */
  received(): number;
}

/** The local stack, with phones and a worker. */
export async function startStack() {
  const stack = await startOwn();
  const { database: db, keys } = stack;
  const phones: Phone[] = [];

  const open = (options: Parameters<typeof createClient>[2] = {}) => {
    const sockets: WebSocket[] = [];
    let bytes = 0;
    class Transport extends WebSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        sockets.push(this);
        this.on('message', (data: Buffer) => {
          bytes += data.length;
        });
      }
    }
    const client = createClient(stack.api.url, keys.anonKey, {
      auth: { persistSession: false, autoRefreshToken: false },
      // Tests need not wait as long as users do.
      realtime: { transport: Transport as never, reconnectAfterMs: () => 50 },
      ...options,
    });
    return {
      client,
      cut: () => {
        for (const socket of sockets) socket.terminate();
      },
      received: () => bytes,
    };
  };

  return {
    ...stack,
    /** A signed-in user's. */
    async phone(): Promise<Phone> {
      const opened = open();
      const [email, password] = [`${randomUUID()}@example.com`, randomUUID()];
      const { data, error } = await opened.client.auth.signUp({ email, password });
      if (error || !data.user) throw error;
      await db.sql.query(`update public.profiles set tier = 'enterprise' where id = $1`, [data.user.id]);
      const phone = { ...opened, userId: data.user.id };
      phones.push(phone);
      return phone;
    },
    /** Of that user, with tokens that live so many seconds. */
    shortLived(userId: string, seconds: number): Phone & { tokens(): number } {
      let made = 0;
      const accessToken = () => {
        made += 1;
        return new SignJWT({ sub: userId, role: 'authenticated', aud: 'authenticated', jti: randomUUID() })
          .setProtectedHeader({ alg: 'HS256' })
          .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
          .sign(new TextEncoder().encode(keys.jwtSecret));
      };
      const phone = { ...open({ accessToken }), userId, tokens: () => made };
      phones.push(phone);
      return phone;
    },
    /** A running job, and what appends to its session: so many events a batch. */
    async work(userId: string) {
      const { session, job, project } = await createRunningWork(db, userId);
      let count = 0;
      return {
        session,
        job,
        project,
        append: (size = 1, text = 'A line of what the agent says') =>
          db.asWorker((client) =>
            append(
              client,
              job,
              Array.from({ length: size }, () => {
                count += 1;
                return { type: 'message', payload: { text, number: count } };
              }),
            ),
          ),
        count: () => count,
      };
    },
    /** Ends the replication that Realtime reads: what is committed until it is back is broadcast to nobody. */
    async loseReplication() {
      const admin = new pg.Client({
        connectionString: adminUrlOf(db.url),
      });
      await admin.connect();
      await admin.query(
        `select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database()`,
      );
      await admin.end();
    },
    stop: async () => {
      for (const { client } of phones) {
        await client.removeAllChannels();
        await client.realtime.disconnect();
      }
      await stack.stop();
    },
  };
}

export type Stack = Awaited<ReturnType<typeof startStack>>;

/** Waits for a condition; the machine may be busy. */
export const until = (condition: () => unknown): Promise<unknown> =>
  vi.waitUntil(condition, { timeout: 20_000, interval: 10 });
