import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a database that a test can break. */
export interface BreakableRoute {
  /** The database's address by this way. */
  url: string;
  /** The next query that contains the text is carried out, but its answer gets lost with the connection. */
  loseAnswerOf(text: string): void;
  /** How many answers were lost. */
  lost(): number;
  /** Breaks all connections, and refuses new ones until `up`. */
  down(): void;
  up(): void;
  /** The connections there are stay open, and nothing comes through them any more, either way. */
  silence(): void;
  /** From now on each packet takes this much longer. */
  delay(ms: number): void;
  close(): Promise<void>;
}

export async function startProxy(url: string): Promise<BreakableRoute> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let doomed: string | undefined;
  let lost = 0;
  let isDown = false;
  let delayMs = 0;
  /** Connections that nothing comes through. */
  const silent = new WeakSet<Socket>();

  const server = createServer((client) => {
    if (isDown) return client.destroy();
    const upstream = connect(Number(port), hostname);
    let swallow = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on('data', (data) => {
      if (doomed !== undefined && data.includes(doomed)) {
        doomed = undefined;
        swallow = true;
      }
      pass(upstream, data);
    });
    upstream.on('data', (data) => {
      if (!swallow) return pass(client, data);
      lost++;
      end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  function pass(to: Socket, data: Buffer): void {
    if (silent.has(to)) return;
    // Timers of one length fire in the order they were set in.
    if (delayMs > 0) setTimeout(() => to.writable && to.write(data), delayMs);
    else to.write(data);
  }

  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: Object.assign(new URL(url), { hostname: '127.0.0.1', port: (server.address() as AddressInfo).port })
      .href,
    loseAnswerOf(text) {
      doomed = text;
    },
    lost: () => lost,
    down() {
      isDown = true;
      cut();
    },
    up() {
      isDown = false;
    },
    silence() {
      for (const socket of sockets) silent.add(socket);
    },
    delay(ms) {
      delayMs = ms;
    },
    async close() {
      server.close();
      cut();
    },
  };
}
