import type { Tier } from '@mobvibe/db';
import type { DataSet } from '../../options.ts';
import { diceFor, shares } from '../../random.ts';
import type { Size } from '../index.ts';

/** What one user has of the whole. */
export interface UserPlan {
  key: string;
  tier: Tier;
  projects: number;
  sessions: number;
  jobs: number;
  events: number;
}

export const userKey = (index: number): string => `user-${index + 1}`;

/** Every user of a data set of that size: a few have much, many have little, some never came back. */
export function plannedUsers(dataSet: DataSet, size: Size): UserPlan[] {
  const dice = diceFor(dataSet, 'plan');
  const weights = Array.from({ length: size.users }, (_, index) => {
    const newcomer = dice.perMille(60) && index > 0;
    const weight = dice.skewed();
    return newcomer ? 0 : weight;
  });
  const sessions = shares(size.sessions, weights);
  const jobs = shares(Math.floor((size.sessions * 3) / 2), sessions);
  const events = shares(size.events, jobs);
  // Nobody has more projects than there is reason for, so that most have a few.
  const projects = shares(
    size.users * 2,
    weights.map((weight) => Math.min(weight, 3_000)),
  );
  return weights.map((weight, index) => ({
    key: userKey(index),
    tier: tierOf(weight, jobs[index] ?? 0),
    projects: weight > 0 ? 1 + (projects[index] ?? 0) : 0,
    sessions: sessions[index] ?? 0,
    jobs: jobs[index] ?? 0,
    events: events[index] ?? 0,
  }));
}

const byWeight: [atLeast: number, tier: Tier][] = [
  [8_000, 'enterprise'],
  [2_000, 'team'],
  [500, 'pro'],
];

// All jobs may fall into the month that counts: whoever has more than a tier allows pays for the next one.
const byJobs: [moreThan: number, tier: Tier][] = [
  [10_000, 'enterprise'],
  [1_000, 'team'],
  [50, 'pro'],
];

const order: Tier[] = ['free', 'pro', 'team', 'enterprise'];

function tierOf(weight: number, jobs: number): Tier {
  const wanted = byWeight.find(([atLeast]) => weight >= atLeast)?.[1] ?? 'free';
  const needed = byJobs.find(([moreThan]) => jobs > moreThan)?.[1] ?? 'free';
  return order.indexOf(needed) > order.indexOf(wanted) ? needed : wanted;
}
