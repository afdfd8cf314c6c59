import type { Tier } from '@mobvibe/db';
import type { DataSet } from './options.ts';
import { passwordHash } from './password.ts';
import type { Rows } from './rows.ts';
import { emailOf, rowsOf, userIdOf } from './rows-of.ts';
import type { Scale } from './scales/scale.ts';
import type { UserScenario } from './scenario.ts';

/** A user of a data set, and how many rows are its own. */
export interface SeededUser {
  /** Of scale ci what it shows: `free`, `pro`, `team`, `enterprise`, `rtl`, `anonymous`, `newcomer`; else `user-1`, … */
  key: string;
  id: string;
  /** Null for an anonymous user, who cannot sign in again; everybody else does with SEED_PASSWORD. */
  email: string | null;
  tier: Tier;
  projects: number;
  sessions: number;
  jobs: number;
  events: number;
}

/** A data set, user by user. Nothing but its name and its `now` decide: no clock, no database, no locale. */
export function* usersOf(dataSet: DataSet, scale: Scale): Generator<{ user: SeededUser; rows: Rows }> {
  const encryptedPassword = passwordHash(dataSet);
  for (const scenario of scale.users(dataSet)) {
    const rows = rowsOf(dataSet, scenario, encryptedPassword);
    yield { user: seededUser(dataSet, scenario, rows), rows };
  }
}

const seededUser = (dataSet: DataSet, scenario: UserScenario, rows: Rows): SeededUser => ({
  key: scenario.key,
  id: userIdOf(dataSet, scenario.key),
  email: emailOf(dataSet, scenario),
  tier: scenario.tier,
  projects: rows.projects.length,
  sessions: rows.sessions.length,
  jobs: rows.jobs.length,
  events: rows.events.length,
});
