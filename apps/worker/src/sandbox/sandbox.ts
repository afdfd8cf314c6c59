import type { Machine } from './machine/machine.ts';
import type { Preview } from './preview.ts';

/** At most so many files of an app are listed. */
export const MAX_FILES = 500;

/** What tells whether a file changed. */
export interface Fingerprint {
  /** Relative to the project. */
  path: string;
  /** In bytes. */
  size: number;
  /** SHA-256 in base64url; undefined where the file is larger than was asked for. */
  hash?: string | undefined;
}

export interface FileContent {
  path: string;
  /** Undefined where there is no such file in the project any more, or it is larger than was asked for. */
  content: Buffer | undefined;
}

/** Where one session's agent works. */
export interface Sandbox {
  /** Stored as coding_sessions.sandbox_id: the kind of sandbox, a colon, its id among those. */
  id: string;
  /** The app that the agent writes. A real path: no link in it. */
  project: string;
  /** The agent's own HOME: its settings and the transcript of the conversation. A real path. */
  home: string;
  /** Where those paths are, unless they are directories of this machine. */
  machine?: Machine;
  /** What a person can look at by now. */
  preview(): Promise<Preview>;
  /** Paths of the app's files, relative to `project`, sorted; without dependencies and version control. */
  files(): Promise<string[]>;
  /** The same files, each with its hash, unless it is larger than `mostBytes`. */
  fingerprints(mostBytes: number): Promise<Fingerprint[]>;
  /** Reads files of the project, one after the other, in that order. No link leads it out of the project. */
  read(paths: string[], mostBytes: number): AsyncIterable<FileContent>;
}

/** What a sandbox needs to know of its session. */
export interface SandboxSession {
  id: string;
  userId: string;
  projectId: string;
  /** coding_sessions.sandbox_id: where an earlier job of the session worked. */
  sandboxId: string | null;
}

export interface SandboxListing {
  id: string;
  sessionId: string;
  createdAt?: Date;
  /** Which database its session is in (`databaseId`): a session unknown to another one may be well alive. */
  database?: string;
}

export interface Sandboxes {
  /**
   * The sandbox of a session, made if there is none. Nothing that an earlier holder started still runs in it.
   * @throws ExecutorError when there is none to be had, and whether that may change; the signal's reason once it
   * has aborted.
   */
  open(session: SandboxSession, signal?: AbortSignal): Promise<Sandbox>;
  /** Those that exist here, whatever the database says. */
  list(): Promise<SandboxListing[]>;
  /** Ends it and all that runs in it; one that is gone is no error. */
  end(id: string): Promise<void>;
}
