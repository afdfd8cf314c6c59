import { days } from '../scenario.ts';

/** How much there is of what. Jobs are three for two sessions, projects about three a user. */
export interface Size {
  users: number;
  sessions: number;
  events: number;
}

/** Many users, of whom each is drawn by lot. */
export interface Bulk {
  size: Size;
  /** About how much older than `now` the oldest row is, in milliseconds. */
  span: number;
}

// One without `bulk` tells of people that somebody thought up.
const all = {
  ci: { description: 'a handful of everything, for CI' },
  mvp: {
    description: '1,000 users, 100,000 events',
    bulk: { size: { users: 1_000, sessions: 10_000, events: 100_000 }, span: days(75) },
  },
  growth: {
    description: '20,000 users, 10,000,000 events in twelve months',
    bulk: { size: { users: 20_000, sessions: 200_000, events: 10_000_000 }, span: days(330) },
  },
};

export type ScaleName = keyof typeof all;

export const scales: Record<ScaleName, { description: string; bulk?: Bulk }> = all;
