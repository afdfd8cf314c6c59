import type { CodingJob, CodingSession, Project, ServiceClient, SessionEvent, Tier } from '@mobvibe/db';
import { z } from 'zod';
import { remove } from '../database/clean.ts';
import { write } from '../database/write.ts';
import { DEFAULTS, type NamedDataSet } from '../options.ts';
import { passwordHash, SEED_PASSWORD } from '../password.ts';
import { diceFor } from '../random.ts';
import { join, type Rows } from '../rows.ts';
import { emailOf, rowsOf } from '../rows-of.ts';
import { days, minutes, seconds, type UserScenario } from '../scenario.ts';
import { workersOf } from '../workers.ts';
import { type ScenarioName, scenarios, type Told } from './scenarios.ts';

/** A user of a scenario, who can sign in, with everything it owns. */
export interface ScenarioUser {
  id: string;
  email: string;
  password: string;
  tier: Tier;
  /** Oldest first, as everything here. */
  projects: Project[];
  sessions: CodingSession[];
  jobs: CodingJob[];
  events: SessionEvent[];
}

export interface SeededScenario<Name extends ScenarioName> {
  /** By name: `alice`, and where there are two, `bob`. */
  users: Record<keyof (typeof scenarios)[Name] & string, ScenarioUser>;
  /** Removes them with everything they own by now. */
  remove(): Promise<void>;
}

const optionsSchema = z.object({
  seed: z.int().nonnegative().default(DEFAULTS.seed),
  now: z.coerce.date().default(new Date(DEFAULTS.now)),
});

/**
 * Makes the database hold a small, known scene, for a test of an application. The same options give the same ids;
 * seeding it again changes nothing.
 * @param client with the rights of `postgres`: `createServiceClient({ url })`
 * @param options `seed`: another number makes another scene of the same kind beside the first. `now`: the moment that
 *   the scene takes for the present (default: that of `pnpm seed`); `new Date()` makes sessions that a worker finds open.
 */
export async function seedScenario<Name extends ScenarioName>(
  client: ServiceClient,
  scenario: Name,
  options: { seed?: number; now?: Date | string } = {},
): Promise<SeededScenario<Name>> {
  const { seed, now } = optionsSchema.parse(options);
  const dataSet: NamedDataSet = { name: `${scenario}-${seed}`, now };
  const passwords = passwordHash(dataSet);
  const told = Object.entries(
    scenarios[scenario] as Record<string, (dice: ReturnType<typeof diceFor>) => Told>,
  );
  const people = told.map(([key, tell]) => {
    const user = userScenario(key, tell(diceFor(dataSet, `users/${key}`)));
    return { key, user, rows: rowsOf(dataSet, user, passwords) };
  });
  const all: Rows = {
    ...join(people.map(({ rows }) => rows)),
    workers: workersOf(dataSet, { running: { started: days(4), lastSeen: seconds(4) } }),
  };
  await write(client, dataSet, all, { dryRun: false });
  const users = people.map(({ key, user, rows }) => [key, scenarioUser(dataSet, user, rows)]);
  return {
    users: Object.fromEntries(users),
    remove: async () => {
      await remove(client, dataSet, all, { dryRun: false });
    },
  };
}

const userScenario = (key: string, { tier = 'free', displayName, projects }: Told): UserScenario => ({
  key,
  tier,
  displayName: displayName ?? `${key.charAt(0).toUpperCase()}${key.slice(1)}`,
  joined: days(4),
  lastSignIn: minutes(55),
  projects,
});

const scenarioUser = (dataSet: NamedDataSet, user: UserScenario, rows: Rows): ScenarioUser => ({
  id: rows.users[0]?.id ?? '',
  email: emailOf(dataSet, user) ?? '',
  password: SEED_PASSWORD,
  tier: user.tier,
  projects: rows.projects,
  sessions: rows.sessions,
  jobs: rows.jobs,
  events: rows.events,
});
