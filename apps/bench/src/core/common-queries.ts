/** On whose behalf is asked, and for what. */
export interface Asker {
  id: string;
  sessionId: string;
}

export interface CommonQuery {
  name: string;
  /** @param own `user_id = … and`; empty where row-level security adds it */
  sql(own: string): string;
  values(asker: Asker): unknown[];
}

/** What the app asks for most. */
export const commonQueries: CommonQuery[] = [
  {
    name: 'a user’s projects',
    sql: (own) =>
      `select * from public.projects where ${own}deleted_at is null order by updated_at desc limit 20`,
    values: () => [],
  },
  {
    name: 'active sessions',
    sql: (own) => `select * from public.coding_sessions where ${own}status in ('pending', 'active')`,
    values: () => [],
  },
  {
    name: 'pending jobs',
    sql: (own) =>
      `select * from public.coding_jobs where ${own}status in ('pending', 'processing') order by created_at`,
    values: () => [],
  },
  {
    name: 'recent events',
    sql: (own) =>
      `select * from public.session_events where ${own}session_id = $1 order by seq desc limit 50`,
    values: ({ sessionId }) => [sessionId],
  },
];
