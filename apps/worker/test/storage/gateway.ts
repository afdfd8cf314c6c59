import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A way to Supabase's API that a test can watch and break. */
export interface Gateway {
  /** The API's address by this way. */
  url: string;
  /** What reached the API since the last call: `POST /object/…`, decoded, without the bucket. */
  seen(): string[];
  /** The next so many requests that contain the text are answered with this, and do not reach the API. */
  refuse(text: string, status: number, times?: number): void;
  /** The next request that contains the text is carried out, but its answer gets lost with the connection. */
  loseAnswerOf(text: string): void;
  /** Each request goes on when this has resolved. */
  onRequest(listener: (line: string) => Promise<unknown> | unknown): void;
  /** Breaks all connections, and refuses new ones until `up`. */
  down(): void;
  up(): void;
  close(): Promise<void>;
}

export async function startGateway(apiUrl: string): Promise<Gateway> {
  const { hostname, port } = new URL(apiUrl);
  let lines: string[] = [];
  let refusal: { text: string; status: number; times: number } | undefined;
  let doomed: string | undefined;
  let listener: (line: string) => Promise<unknown> | unknown = () => {};
  let isDown = false;

  const server = createServer(async (incoming, outgoing) => {
    if (isDown) return void outgoing.destroy();
    const path = decodeURIComponent(incoming.url ?? '').replace('/storage/v1', '');
    const line = `${incoming.method} ${path.replace('/project-files/', '/')}`;
    if (refusal && refusal.times > 0 && line.includes(refusal.text)) {
      refusal.times--;
      incoming.resume();
      outgoing.writeHead(refusal.status, { 'content-type': 'application/json' });
      return void outgoing.end(JSON.stringify({ statusCode: String(refusal.status), message: 'refused' }));
    }
    lines.push(line);
    const isDoomed = doomed !== undefined && line.includes(doomed);
    if (isDoomed) doomed = undefined;
    await listener(line);
    const forwarded = request(
      { hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers },
      (answer) => {
        if (isDoomed) return void answer.resume().on('end', () => outgoing.destroy());
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen() {
      const seen = lines;
      lines = [];
      return seen;
    },
    refuse(text, status, times = 1) {
      refusal = { text, status, times };
    },
    loseAnswerOf(text) {
      doomed = text;
    },
    onRequest(given) {
      listener = given;
    },
    down() {
      isDown = true;
      server.closeAllConnections();
    },
    up() {
      isDown = false;
      refusal = undefined;
      doomed = undefined;
      listener = () => {};
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
