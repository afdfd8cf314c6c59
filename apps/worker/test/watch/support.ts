import pg from 'pg';

/** A connection of its own, closed by the one who asked for it. */
export async function connectTo(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** The same address in another role, or another database. */
export const inDatabase = (serverUrl: string, url: string): string =>
  Object.assign(new URL(serverUrl), { pathname: new URL(url).pathname }).href;

/** What the statistics of the server do not show yet, they show after this. */
export const flush = (client: pg.ClientBase) => client.query('select pg_stat_force_next_flush()');
