import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { oneLine } from '@mobvibe/cli';
import type { Hono } from 'hono';
import pg from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import { WebSocketServer } from 'ws';
import { makeRealtimePartitions } from '../../platform.ts';
import type { VerifyKeyOrToken } from '../tokens.ts';
import { createBroadcastApi } from './broadcast-api.ts';
import { createChanges } from './changes.ts';
import type { Services } from './channel.ts';
import { CLOSE, type Connection, serveConnection } from './connection.ts';
import { broadcastJson, isVersion } from './frame.ts';
import { createRate, type Limits, PLATFORM_LIMITS } from './limits.ts';
import { createStream } from './stream.ts';
import { createTopics } from './topics.ts';

export type { Limits } from './limits.ts';

export interface RealtimeOptions {
  /** URL for a role that may replicate, create partitions, and become anon, authenticated and service_role. */
  connection: string;
  /** Says who a key or token belongs to; rejects when it is not valid. */
  verify: VerifyKeyOrToken;
  /** One line, without names of topics, payloads or tokens. */
  log(line: string): void;
  /** Those left out are hosted Supabase's. */
  limits?: Partial<Limits>;
  /** Refuses public channels, as the setting of a hosted project does; false by default, as there. */
  privateOnly?: boolean;
}

export interface Realtime {
  /** Takes over an upgrade to /realtime/v1/websocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Answers POST /api/broadcast and /api/broadcast/:topic/events/:event. */
  http: Hono;
  /** Closes every connection, and ends the replication. */
  close(): Promise<void>;
}

// The name hosted Supabase gives it.
const MESSAGES_PUBLICATION = 'supabase_realtime_messages_publication';
const CHANGES_PUBLICATION = 'supabase_realtime';
const PARTITION_DAYS = 3;
const PARTITION_MILLISECONDS = 6 * 3600 * 1000;
const POOL_SIZE = 8;
// Of a policy, or of the checks of postgres_changes.
const STATEMENT_MILLISECONDS = 5_000;

/**
 * Realtime: WebSocket channels with broadcast, presence and postgres_changes, and broadcast over HTTP.
 *
 * One replication stream is read for all clients. While it is lost, channels are told to join again, and may as soon as
 * it is back: what was committed in between is not repeated, so an application reads what it missed after each join.
 *
 * @throws when the database cannot be reached.
 */
export async function createRealtime({
  connection,
  verify,
  log,
  limits: given,
  privateOnly = false,
}: RealtimeOptions): Promise<Realtime> {
  const limits = { ...PLATFORM_LIMITS, ...given };
  const pool = new pg.Pool({
    connectionString: connection,
    application_name: 'realtime',
    max: POOL_SIZE,
    statement_timeout: STATEMENT_MILLISECONDS,
  });
  pool.on('error', (error) => log(`database connection lost: ${oneLine(error)}`));
  try {
    await prepare(pool);
  } catch (error) {
    await pool.end();
    throw error;
  }

  const topics = createTopics();
  const changes = createChanges(pool, limits, log);
  const connections = new Set<Connection>();
  const stream = createStream({
    connection,
    publications: [MESSAGES_PUBLICATION, CHANGES_PUBLICATION],
    onChange(message) {
      if (isOfMessages(message)) return;
      if (message.tag === 'insert' && isMessages(message.relation)) broadcastRow(message.new);
      else changes.take(message);
    },
    onLost() {
      changes.reset();
      for (const open of connections) open.interrupt();
    },
    log,
  });

  const broadcastRow = (row: Record<string, string | null>) => {
    const { topic, event, payload, id, extension } = row;
    if (extension !== 'broadcast' || !topic || !event || !payload || !id) return;
    const joined = topics.find(topic, row.private === 't');
    if (!joined) return;
    if (payload.length > limits.messageBytes)
      return log('a message in realtime.messages is too long: not sent');
    joined.broadcast({ json: broadcastJson(event, payload, id) });
  };

  const services: Services = {
    pool,
    limits,
    privateOnly,
    topics,
    changes,
    verify,
    streamReady: () => stream.ready(limits.joinWait),
    tooManyJoins: createRate(limits.joinsPerSecond),
    log,
  };

  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    // What is a little too long is answered; what is far too long is not read.
    maxPayload: 2 * limits.messageBytes,
  });
  const silence = setInterval(() => {
    for (const open of connections) open.closeIfSilent();
  }, limits.silence / 4).unref();
  const partitions = setInterval(() => {
    prepare(pool).catch((error) => log(`partitions of realtime.messages not made: ${oneLine(error)}`));
  }, PARTITION_MILLISECONDS).unref();
  let closing = false;

  const accept = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const version = searchParams.get('vsn') ?? '1.0.0';
    const key = request.headers['x-api-key'] ?? searchParams.get('apikey');
    if (!isVersion(version))
      return refuse(socket, '400 Bad Request', `protocol ${oneLine(version)} is unknown`);
    if (typeof key !== 'string')
      return refuse(socket, '401 Unauthorized', 'no key: add the parameter apikey');
    const caller = await verify(key).catch(() => undefined);
    if (!caller) return refuse(socket, '401 Unauthorized', 'the key is malformed, expired, or unknown');
    if (closing) return refuse(socket, '503 Service Unavailable', 'Realtime is shutting down');
    if (connections.size >= limits.connections) {
      return refuse(socket, '429 Too Many Requests', 'Too many connected users');
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const open = serveConnection(services, webSocket, version, caller, () => connections.delete(open));
      connections.add(open);
    });
  };

  return {
    upgrade(request, socket, head) {
      // It may break before there is a WebSocket that listens.
      const ignore = () => {};
      socket.on('error', ignore);
      accept(request, socket, head)
        .catch((error) => {
          log(`upgrade failed: ${oneLine(error)}`);
          refuse(socket, '400 Bad Request', 'not a WebSocket request');
        })
        .finally(() => socket.off('error', ignore));
    },
    http: createBroadcastApi(services),
    async close() {
      closing = true;
      clearInterval(silence);
      clearInterval(partitions);
      for (const open of connections) open.close(CLOSE.goingAway, 'Realtime is shutting down');
      await stream.close();
      await pool.end();
    },
  };
}

/** Makes what the platform makes when the first client connects. */
async function prepare(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await makeRealtimePartitions(client, { daysAhead: PARTITION_DAYS });
    const made = await client.query('select from pg_catalog.pg_publication where pubname = $1', [
      MESSAGES_PUBLICATION,
    ]);
    if (made.rowCount === 0) {
      await client.query(`create publication ${MESSAGES_PUBLICATION} for table realtime.messages`);
    }
  } finally {
    client.release();
  }
}

// realtime.messages is partitioned by day, and the stream names the partition.
const isMessages = ({ schema, name }: Pgoutput.MessageRelation) =>
  schema === 'realtime' && name.startsWith('messages_');

/** What happens to a message afterwards (it expires, somebody corrects it) concerns nobody. */
const isOfMessages = (message: Pgoutput.Message) =>
  (message.tag === 'update' || message.tag === 'delete') && isMessages(message.relation);

function refuse(socket: Duplex, status: string, message: string): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ message });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
