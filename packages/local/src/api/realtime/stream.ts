import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine } from '@mobvibe/cli';
import pg from 'pg';
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';

/** One replication connection, made again whenever it is lost. */
export interface Stream {
  /** Whether it is connected, or will be within `milliseconds`. */
  ready(milliseconds: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface StreamOptions {
  connection: string;
  /** Those that exist are followed. */
  publications: string[];
  /** Each change, once its transaction is committed, in the order of commits. */
  onChange(message: Pgoutput.Message): void;
  /** The connection is gone: what is committed until it is back will not arrive. */
  onLost(): void;
  log(line: string): void;
}

interface Unreadable {
  tag: 'unreadable';
  error: unknown;
}

const ACKNOWLEDGE_SECONDS = 10;
const [GONE_MILLISECONDS, POLL_MILLISECONDS] = [2_000, 10];
const [FIRST_RETRY, LAST_RETRY] = [100, 5_000];

/** Starts following; returns before the connection is there. */
export function createStream({ connection, publications, onChange, onLost, log }: StreamOptions): Stream {
  const closing = new AbortController();
  let slot = '';
  let service: LogicalReplicationService | undefined;
  let up = false;
  let waiting: ((ready: boolean) => void)[] = [];
  const tellWaiting = (ready: boolean) => {
    for (const tell of waiting) tell(ready);
    waiting = [];
  };

  // Resolves or rejects when the connection ends.
  const follow = async (onUp: () => void) => {
    const following = await existing(connection, publications);
    if (closing.signal.aborted) return;
    const current = new LogicalReplicationService(
      { connectionString: connection, application_name: 'realtime', keepAlive: true },
      { acknowledge: { auto: false, timeoutSeconds: ACKNOWLEDGE_SECONDS } },
    );
    service = current;
    const failed = new Promise<never>((_, reject) => {
      current.on('error', reject);
      current.on('data', (_lsn, message: Pgoutput.Message | Unreadable) => {
        try {
          if (message.tag === 'unreadable') throw message.error;
          if (message.tag === 'relation') keepText(message);
          onChange(message);
        } catch (error) {
          // Thrown from here it would end the process.
          reject(error);
        }
      });
    });
    failed.catch(() => {});
    current.on('heartbeat', (lsn, _time, shouldRespond) => {
      if (shouldRespond) void current.acknowledge(oneLess(lsn));
    });
    current.on('start', onUp);
    // A new one each time: a connection that is lost on our side only may hold the old one for a minute.
    slot = `realtime_${randomBytes(8).toString('hex')}`;
    try {
      await Promise.race([current.subscribe(temporarySlot(following), slot), failed]);
    } finally {
      await current.destroy();
    }
  };

  const run = async () => {
    let retry = FIRST_RETRY;
    let lastLine = '';
    while (!closing.signal.aborted) {
      let reason = 'the server closed the connection';
      try {
        await follow(() => {
          up = true;
          retry = FIRST_RETRY;
          tellWaiting(true);
        });
      } catch (error) {
        reason = oneLine(error);
      }
      if (closing.signal.aborted) break;
      const line = `replication ${up ? 'lost' : 'not started'}: ${reason}`;
      // A database that is down for an hour is told of once.
      if (line !== lastLine) log(line);
      lastLine = up ? '' : line;
      if (up) {
        up = false;
        onLost();
      }
      await sleep(retry, undefined, { signal: closing.signal }).catch(() => {});
      retry = Math.min(retry * 2, LAST_RETRY);
    }
  };
  const running = run();

  return {
    ready(milliseconds) {
      if (up) return Promise.resolve(true);
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          waiting = waiting.filter((tell) => tell !== answer);
          resolve(false);
        }, milliseconds);
        const answer = (ready: boolean) => {
          clearTimeout(timer);
          resolve(ready);
        };
        waiting.push(answer);
      });
    },
    async close() {
      closing.abort();
      tellWaiting(false);
      await service?.destroy();
      await running;
      await slotGone(connection, slot).catch(() => {});
    },
  };
}

// A publication that is missing would end the stream at the first change.
async function existing(connection: string, publications: string[]): Promise<string[]> {
  return onConnection(connection, async (client) => {
    const { rows } = await client.query<{ pubname: string }>(
      'select pubname from pg_catalog.pg_publication where pubname = any ($1)',
      [publications],
    );
    return rows.map(({ pubname }) => pubname);
  });
}

// The server's side ends a moment after ours, and until then the database can be neither dropped nor followed anew.
async function slotGone(connection: string, slot: string): Promise<void> {
  const deadline = Date.now() + GONE_MILLISECONDS;
  await onConnection(connection, async (client) => {
    const isThere = async () => {
      const found = await client.query('select from pg_catalog.pg_replication_slots where slot_name = $1', [
        slot,
      ]);
      return found.rowCount === 1;
    };
    while (Date.now() < deadline && (await isThere())) await sleep(POLL_MILLISECONDS);
  });
}

async function onConnection<T>(connection: string, task: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: connection });
  client.on('error', () => {});
  try {
    await client.connect();
    return await task(client);
  } finally {
    await client.end();
  }
}

// A slot of its own connection: nothing is kept for a server that does not come back, and nothing holds back WAL.
function temporarySlot(publicationNames: string[]) {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames });
  const start = plugin.start.bind(plugin);
  plugin.start = async (client, slot, lsn) => {
    // The replication protocol knows its commands in capitals only.
    await client.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`);
    return start(client, slot, lsn);
  };
  // What it cannot read it throws into the socket's listener, which would end the process.
  const parse = plugin.parse.bind(plugin);
  return Object.assign(plugin, {
    parse(buffer: Buffer): Pgoutput.Message | Unreadable {
      try {
        return parse(buffer);
      } catch (error) {
        return { tag: 'unreadable', error };
      }
    },
  });
}

// The library acknowledges one byte more than it is told, and a server that shuts down waits until exactly what it
// sent is acknowledged.
function oneLess(lsn: string): string {
  const [high, low] = lsn.split('/');
  const position = (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`) - 1n;
  return `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`;
}

// Postgres' own text loses nothing; a parsed number, date or JSON would.
function keepText({ columns }: Pgoutput.MessageRelation): void {
  for (const column of columns) column.parser = (text: string) => text;
}
