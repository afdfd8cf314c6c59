/** Where one session's agent works. */
export interface Sandbox {
  /** Stored as coding_sessions.sandbox_id. */
  id: string;
  /** The app that the agent writes. A real path: no link in it. */
  project: string;
  /** The agent's own HOME: its settings and the transcript of the conversation. A real path. */
  home: string;
  /** Where a browser can see the app, once something serves it. */
  previewUrl(): Promise<string | undefined>;
  /** Paths of the app's files, relative to `project`, sorted; without dependencies and version control. */
  files(): Promise<string[]>;
}

export interface Sandboxes {
  /** The sandbox of a session, made if there is none. Nothing that an earlier holder started still runs in it. */
  open(sessionId: string): Promise<Sandbox>;
}
