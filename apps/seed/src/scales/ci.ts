import { storyteller } from '../content/events.ts';
import { FAMILY, filledTo } from '../content/texts.ts';
import { randomFor } from '../faker.ts';
import { days, hours, lengthOf, minutes, seconds, type UserScenario } from '../scenario.ts';
import type { Scale } from './scale.ts';

/** A handful of everything: each value of each enum, and each edge that a reader of these tables must survive. */
export const ci: Scale = {
  *users(dataSet) {
    for (const [key, user] of Object.entries(cast)) {
      yield { key, ...user(randomFor(dataSet, `users/${key}`)) };
    }
  },
  keys: () => Object.keys(cast),
  workers: () => ({
    running: { started: days(60), lastSeen: seconds(4) },
    stopped: { started: days(2), lastSeen: seconds(20), stopped: seconds(20) },
    // Killed: it never said that it stopped.
    lost: { started: days(9), lastSeen: days(2) + minutes(28.5) },
  }),
};

type Random = ReturnType<typeof randomFor>;
type Member = (random: Random) => Omit<UserScenario, 'key'>;

const overloaded = { code: 'model_overloaded', message: 'The model is overloaded.', retryable: true };
const maxTurns = { code: 'max_turns', message: 'The agent reached its limit of turns.', retryable: false };

const name = ({ person }: Random): string => `${person.firstName()} ${person.lastName()}`;

const cast: Record<string, Member> = {
  // At the limit of the tier: one job runs, the next one of the same session waits.
  free: (random) => {
    const agent = storyteller(random);
    return {
      tier: 'free',
      displayName: name(random),
      avatarUrl: 'https://example.com/avatars/free.png',
      joined: days(40),
      lastSignIn: minutes(30),
      projects: [
        {
          key: 'habits',
          name: 'Habit tracker',
          description: 'Small steps, every day.',
          template: 'tabs',
          expoConfig: { name: 'Habit tracker', slug: 'habit-tracker', platforms: ['ios', 'android'] },
          created: days(39),
          sessions: [
            {
              key: 'first-steps',
              created: days(39) - minutes(5),
              status: 'completed',
              jobs: [
                {
                  prompt: 'Show a list of habits with a check mark for each day of the week.',
                  created: days(39) - minutes(5),
                  attempts: [
                    {
                      worker: 'running',
                      started: days(39) - minutes(5) - seconds(1),
                      ...agent.completes(1, 'HabitList'),
                    },
                  ],
                },
                {
                  prompt: 'Make the check mark bounce.',
                  created: days(39) - minutes(20),
                  attempts: [
                    {
                      worker: 'running',
                      started: days(39) - minutes(20) - seconds(1),
                      ...agent.completes(1, 'BouncingCheck'),
                    },
                  ],
                },
              ],
            },
            {
              key: 'streaks',
              created: minutes(20),
              status: 'active',
              jobs: [
                {
                  prompt: 'Count the days in a row and celebrate every seventh.',
                  created: minutes(20),
                  attempts: [
                    {
                      worker: 'running',
                      started: minutes(20) - seconds(1),
                      ...agent.completes(1, 'StreakCounter'),
                    },
                  ],
                },
                {
                  prompt: 'The celebration covers the button. Move it up.',
                  created: minutes(2),
                  attempts: [{ worker: 'running', started: minutes(1), ...agent.runs(1, 'Celebration') }],
                },
                { prompt: 'And play a sound.', created: seconds(10), attempts: [] },
              ],
            },
          ],
        },
        { key: 'ideas', name: 'Ideas', created: days(1), sessions: [] },
      ],
    };
  },

  // Everything that can go wrong on the way to a result.
  pro: (random) => {
    const agent = storyteller(random);
    const lastFailure = agent.fails(5, overloaded, 'retried');
    return {
      tier: 'pro',
      displayName: 'Zoë 🚀 Ångström-Nuñez',
      joined: days(100),
      lastSignIn: hours(2),
      projects: [
        {
          key: 'pizzeria',
          name: '🍕 Pizzería Ñandú — 注文アプリ',
          description: `Pre-orders for the whole family ${FAMILY}, "quotes", back\\slashes, %percents% and\na second line.`,
          template: 'tabs',
          created: days(90),
          sessions: [
            {
              key: 'menu',
              created: days(2) + minutes(30),
              status: 'completed',
              jobs: [
                {
                  prompt: 'Read the menu from a file and group it by course.',
                  created: days(2) + minutes(30),
                  attempts: [
                    { worker: 'lost', started: days(2) + minutes(29), ...agent.breaksOff(1) },
                    {
                      worker: 'running',
                      started: days(2) + minutes(20),
                      ...agent.fails(2, overloaded, 'retried'),
                    },
                    { worker: 'running', started: days(2) + minutes(15), ...agent.completes(3, 'Menu') },
                  ],
                },
              ],
            },
            {
              key: 'checkout',
              created: hours(1),
              status: 'active',
              jobs: [
                {
                  prompt: 'Zahlung mit Rechnung – bitte auch für „Gäste“.',
                  created: minutes(7),
                  maxAttempts: 8,
                  attempts: [
                    ...[1, 2, 3, 4].map((attempt) => ({
                      worker: 'running',
                      started: minutes(7 - attempt),
                      ...agent.fails(attempt, overloaded, 'retried'),
                    })),
                    // So late that its backoff is not over yet.
                    {
                      worker: 'running',
                      started: seconds(10) + lengthOf(lastFailure.events),
                      ...lastFailure,
                    },
                  ],
                },
                {
                  prompt: 'Tomorrow at noon, remind me of what is unfinished.',
                  created: minutes(50),
                  delay: hours(24),
                  attempts: [],
                },
              ],
            },
            {
              key: 'login',
              created: days(5),
              status: 'failed',
              jobs: [
                {
                  prompt: 'Add a login, with everything.',
                  created: days(5),
                  maxAttempts: 2,
                  attempts: [
                    {
                      worker: 'running',
                      started: days(5) - seconds(2),
                      ...agent.fails(1, overloaded, 'retried'),
                    },
                    {
                      worker: 'running',
                      started: days(5) - minutes(3),
                      ...agent.fails(2, maxTurns, 'failed'),
                    },
                  ],
                },
              ],
            },
          ],
        },
        {
          key: 'portfolio',
          name: 'Portfolio (old)',
          created: days(95),
          archived: days(60),
          sessions: [
            { key: 'never-used', created: days(94), status: 'cancelled', ended: days(93), jobs: [] },
          ],
        },
      ],
    };
  },

  // Several sessions at work at once.
  team: (random) => {
    const agent = storyteller(random);
    const cancelled = agent.isCancelled(1);
    return {
      tier: 'team',
      displayName: name(random),
      joined: days(15),
      lastSignIn: days(1),
      projects: [
        {
          key: 'inventory',
          name: 'Inventory',
          template: 'camera',
          created: days(14),
          sessions: [
            {
              key: 'scanner',
              created: minutes(40),
              status: 'active',
              jobs: [
                {
                  prompt: 'Scan a barcode and look it up.',
                  created: minutes(5),
                  priority: 10,
                  idempotencyKey: 'scanner-1',
                  attempts: [{ worker: 'running', started: minutes(4), ...agent.runs(1, 'Scanner') }],
                },
              ],
            },
            {
              key: 'export',
              created: minutes(35),
              status: 'active',
              jobs: [
                {
                  prompt: 'Export everything as CSV and show me the whole log.',
                  created: minutes(30),
                  attempts: [
                    {
                      worker: 'running',
                      started: minutes(30) - seconds(1),
                      ...agent.completes(1, 'ExportButton', [agent.longOutput()]),
                    },
                  ],
                },
                {
                  prompt: 'Stop, I meant JSON.',
                  created: minutes(3),
                  cancelAsked: seconds(2),
                  attempts: [{ worker: 'running', started: minutes(2), ...agent.runs(1, 'JsonExport') }],
                },
              ],
            },
            {
              key: 'printing',
              created: minutes(10),
              status: 'active',
              jobs: [
                {
                  prompt: 'Print labels.',
                  created: minutes(2),
                  attempts: [{ worker: 'stopped', started: minutes(1), ...agent.isReleased(1) }],
                },
              ],
            },
            {
              key: 'wrong-turn',
              created: days(3),
              status: 'cancelled',
              ended: days(3) - minutes(5),
              jobs: [
                {
                  prompt: 'Rewrite it in another framework.',
                  created: days(3),
                  // Just before the worker heard of it.
                  cancelAsked: days(3) - seconds(1) - lengthOf(cancelled.events) + 300,
                  attempts: [{ worker: 'running', started: days(3) - seconds(1), ...cancelled }],
                },
                {
                  prompt: 'And then rename every file.',
                  created: days(3) - seconds(5),
                  priority: -10,
                  cancelAsked: days(3) - seconds(20),
                  attempts: [],
                },
              ],
            },
          ],
        },
      ],
    };
  },

  // At the upper bounds of the columns.
  enterprise: (random) => {
    const agent = storyteller(random);
    return {
      tier: 'enterprise',
      displayName: filledTo(100, 'The Very Long Name of a Department of Departments · '),
      avatarUrl: 'https://example.com/avatars/enterprise.png',
      joined: days(300),
      lastSignIn: days(2),
      projects: [
        {
          key: 'rollout',
          name: filledTo(120, FAMILY),
          description: filledTo(2000, 'A description as long as it may be, with an emoji 🧭 on the way. '),
          created: days(200),
          sessions: [
            {
              key: 'specification',
              created: days(1),
              status: 'active',
              jobs: [
                {
                  prompt: filledTo(32_000, 'The specification, section by section, each with its 📌 pin.\n'),
                  created: days(1),
                  priority: 100,
                  attempts: [
                    {
                      worker: 'running',
                      started: days(1) - seconds(1),
                      ...agent.completes(1, 'Specification'),
                    },
                  ],
                },
              ],
            },
          ],
        },
      ],
    };
  },

  // Written from right to left, and what was deleted.
  rtl: (random) => {
    const agent = storyteller(random);
    return {
      tier: 'free',
      displayName: 'ليلى حدّاد',
      joined: days(60),
      lastSignIn: days(20),
      projects: [
        {
          key: 'flowers',
          name: 'متجر الزهور 🌸',
          description: 'תיאור בעברית, then English, ثم العربية.',
          created: days(50),
          sessions: [
            {
              key: 'list',
              created: days(30),
              status: 'expired',
              jobs: [
                {
                  prompt: 'اعرض قائمة الزهور مع الأسعار',
                  created: days(30),
                  attempts: [
                    {
                      worker: 'running',
                      started: days(30) - seconds(2),
                      ...agent.completes(1, 'FlowerList'),
                    },
                  ],
                },
              ],
            },
          ],
        },
        {
          key: 'mistake',
          name: 'Mistake',
          created: days(49),
          deleted: days(48),
          sessions: [
            {
              key: 'gone',
              created: days(49) - minutes(2),
              status: 'completed',
              deleted: days(48),
              jobs: [
                {
                  prompt: 'Delete this.',
                  created: days(49) - minutes(2),
                  attempts: [
                    { worker: 'running', started: days(49) - minutes(3), ...agent.completes(1, 'Nothing') },
                  ],
                },
              ],
            },
          ],
        },
      ],
    };
  },

  // Tries the product before signing up: no address, no name, nothing started yet.
  anonymous: () => ({
    tier: 'free',
    displayName: null,
    isAnonymous: true,
    joined: minutes(8),
    lastSignIn: minutes(8),
    projects: [
      {
        key: 'try',
        name: 'Untitled',
        created: minutes(7),
        sessions: [{ key: 'empty', created: minutes(6), status: 'pending', jobs: [] }],
      },
    ],
  }),

  // Signed up and never came back.
  newcomer: () => ({ tier: 'free', displayName: null, joined: hours(20), lastSignIn: null, projects: [] }),
};
