import type { Tier } from '@mobvibe/db';
import { agentAtWork } from '../content/work.ts';
import type { Dice } from '../random.ts';
import { days, hours, type JobScenario, minutes, type ProjectScenario, seconds } from '../scenario.ts';

/** What one user of a scenario has. */
export interface Told {
  tier?: Tier;
  displayName?: string;
  projects: ProjectScenario[];
}

const project = (key: string, sessions: ProjectScenario['sessions']): ProjectScenario => ({
  key,
  name: key === 'first' ? 'Habit tracker' : 'Recipe box',
  created: days(3),
  sessions,
});

const done = (dice: Dice, ago: number, events = 9): JobScenario => ({
  prompt: 'Show everything in a list, newest first.',
  created: ago,
  attempts: [{ worker: 'running', started: ago - seconds(1), ...agentAtWork(dice).completes(1, events) }],
});

/** The scenarios that `seedScenario` knows: of each its users, by the key under which they are found again. */
export const scenarios = {
  /** Signed up, and nothing more. */
  'new-user': { alice: (): Told => ({ projects: [] }) },

  /** One project with one open session; its one job is done. */
  'one-user-one-session': {
    alice: (dice: Dice): Told => ({
      projects: [
        project('first', [
          { key: 'open', created: minutes(10), status: 'active', jobs: [done(dice, minutes(10))] },
        ]),
      ],
    }),
  },

  /** Two users of the same shape: neither may see anything of the other. */
  'two-users': {
    alice: (dice: Dice): Told => ({
      projects: [
        project('first', [
          { key: 'over', created: hours(5), status: 'completed', jobs: [done(dice, hours(5))] },
        ]),
      ],
    }),
    bob: (dice: Dice): Told => ({
      projects: [
        project('first', [
          { key: 'over', created: hours(6), status: 'completed', jobs: [done(dice, hours(6))] },
        ]),
      ],
    }),
  },

  /** A session at work: a job runs, and the next one waits behind it. */
  'busy-session': {
    alice: (dice: Dice): Told => ({
      tier: 'pro',
      projects: [
        project('first', [
          {
            key: 'open',
            created: minutes(10),
            status: 'active',
            jobs: [
              done(dice, minutes(10)),
              {
                prompt: 'Add a dark mode.',
                created: minutes(1),
                attempts: [
                  { worker: 'running', started: minutes(1) - seconds(1), ...agentAtWork(dice).runs(1, 5) },
                ],
              },
              { prompt: 'And then a light one.', created: seconds(20), attempts: [] },
            ],
          },
        ]),
      ],
    }),
  },

  /** A job that failed at its third attempt, and the session with it. */
  'failed-job': {
    alice: (dice: Dice): Told => {
      const agent = agentAtWork(dice);
      return {
        projects: [
          project('first', [
            {
              key: 'over',
              created: hours(2),
              status: 'failed',
              jobs: [
                {
                  prompt: 'Add a login, with everything.',
                  created: hours(2),
                  attempts: [
                    {
                      worker: 'running',
                      started: hours(2) - seconds(1),
                      ...agent.fails(1, 4, 'retried', true),
                    },
                    {
                      worker: 'running',
                      started: hours(2) - minutes(2),
                      ...agent.fails(2, 4, 'retried', true),
                    },
                    {
                      worker: 'running',
                      started: hours(2) - minutes(4),
                      ...agent.fails(3, 4, 'failed', true),
                    },
                  ],
                },
              ],
            },
          ]),
        ],
      };
    },
  },

  /** A session with more events than one page shows. */
  'long-session': {
    alice: (dice: Dice): Told => ({
      projects: [
        project('first', [
          { key: 'open', created: minutes(50), status: 'active', jobs: [done(dice, minutes(50), 500)] },
        ]),
      ],
    }),
  },
} satisfies Record<string, Record<string, (dice: Dice) => Told>>;

export type ScenarioName = keyof typeof scenarios;
