import type { AttemptOutcome, SessionEventType, SessionStatus, Tier } from '@mobvibe/db';

// What happened to one user, told the way it happened. `rowsOf` turns it into rows that obey the rules of the
// queue: a scenario says that an attempt failed, never what the job's columns hold afterwards.

/** Milliseconds before the data set's `now`. */
export type Ago = number;

export const seconds = (count: number): number => count * 1000;
export const minutes = (count: number): number => seconds(60) * count;
export const hours = (count: number): number => minutes(60) * count;
export const days = (count: number): number => hours(24) * count;

export interface UserScenario {
  /** Names the user within the data set, in ids and in the address: `pro` is pro@ci-1.example.com. */
  key: string;
  tier: Tier;
  displayName: string | null;
  avatarUrl?: string;
  /** Signed in without an address; cannot sign in again. */
  isAnonymous?: boolean;
  joined: Ago;
  lastSignIn: Ago | null;
  projects: ProjectScenario[];
}

export interface ProjectScenario {
  key: string;
  name: string;
  description?: string;
  template?: string;
  expoConfig?: Record<string, string | string[]>;
  created: Ago;
  archived?: Ago;
  deleted?: Ago;
  sessions: SessionScenario[];
}

export interface SessionScenario {
  key: string;
  created: Ago;
  status: SessionStatus;
  /** When it ended; by default right after its last event, or when its time ran out. */
  ended?: Ago;
  deleted?: Ago;
  jobs: JobScenario[];
}

export interface JobScenario {
  prompt: string;
  created: Ago;
  /** Not to be run before so much later. */
  delay?: number;
  priority?: number;
  maxAttempts?: number;
  idempotencyKey?: string;
  cancelAsked?: Ago;
  /** In order, one after the other; none: the job still waits, or was cancelled before it began. */
  attempts: AttemptScenario[];
}

export interface AttemptScenario {
  /** A key of the scale's workers. */
  worker: string;
  started: Ago;
  outcome: AttemptOutcome | 'running';
  error?: { code: string; message: string };
  events: EventScenario[];
}

export interface EventScenario {
  /** Milliseconds since the event before it, or since the attempt began. */
  after: number;
  type: SessionEventType;
  payload: Payload;
}

/** What jsonb gives back unchanged: no undefined, no bigint, no date. */
export type Payload = { [key: string]: string | number | boolean | null | string[] | Payload };

/** How long the events of an attempt took. */
export const lengthOf = (events: EventScenario[]): number =>
  events.reduce((total, event) => total + event.after, 0);
