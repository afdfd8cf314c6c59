/** Which columns a signed-in user may write of the own rows, table by table, as the design has it. */
export const writableColumns: Record<string, { insert: string[]; update: string[] }> = {
  profiles: { insert: [], update: ['display_name', 'avatar_url'] },
  projects: {
    insert: ['id', 'name', 'description', 'template', 'expo_config'],
    update: ['name', 'description', 'template', 'expo_config', 'status', 'deleted_at'],
  },
  coding_sessions: { insert: ['id', 'project_id'], update: ['status', 'deleted_at'] },
  coding_jobs: {
    insert: ['id', 'session_id', 'prompt', 'priority', 'idempotency_key'],
    update: ['cancel_requested_at'],
  },
  session_events: { insert: [], update: [] },
};
