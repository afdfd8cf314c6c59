import type { Faker } from '@faker-js/faker';
import type { AttemptScenario, EventScenario, Payload } from '../scenario.ts';

type Ending = Pick<AttemptScenario, 'outcome' | 'events' | 'error'>;

export interface Failure {
  code: string;
  message: string;
  retryable: boolean;
}

/** What an agent does while it works on an app, told in the events of the worker. */
export function storyteller(random: Faker) {
  const pause = (): number => random.number.int({ min: 400, max: 3200 });
  const event = (type: EventScenario['type'], payload: Payload): EventScenario => ({
    after: pause(),
    type,
    payload,
  });

  const started = (attempt: number): EventScenario => ({
    after: 40,
    type: 'status',
    payload: { status: 'started', attempt },
  });
  const thinking = (text: string) => event('thinking', { text });
  const message = (text: string) => event('message', { text });
  const read = (path: string) => event('tool_use', { tool: 'Read', input: { file_path: path } });
  const terminal = (command: string, output: string, exitCode: number | null = 0) =>
    event('terminal', { command, output, exit_code: exitCode });
  const created = (path: string) =>
    event('file_change', {
      path,
      change: 'created',
      added: random.number.int({ min: 12, max: 160 }),
      removed: 0,
    });
  const modified = (path: string) => {
    const [added, removed] = [random.number.int({ min: 1, max: 40 }), random.number.int({ min: 0, max: 20 })];
    return event('file_change', { path, change: 'modified', added, removed });
  };

  const beginning = (attempt: number) => [
    started(attempt),
    thinking(`Let me see what is there before I change it. ${random.hacker.phrase()}`),
    read('app/index.tsx'),
  ];

  const installing = () => {
    const packages = random.number.int({ min: 3, max: 40 });
    return terminal('npx expo install expo-haptics', `added ${packages} packages in ${packages}s\n`);
  };

  const work = (component: string) => [
    message(`I will put ${component} into a component of its own and show it on the first screen.`),
    created(`components/${component}.tsx`),
    modified('app/index.tsx'),
    installing(),
  ];

  return {
    /** An attempt that ends well, with a preview. */
    completes(attempt: number, component: string, more: EventScenario[] = []): Ending {
      const preview = event('preview_ready', {
        url: `https://${random.string.alphanumeric(12).toLowerCase()}.preview.example.com`,
      });
      const before = [...beginning(attempt), ...work(component), ...more, preview];
      const input = random.number.int({ min: 900, max: 14_000 });
      const completed = event('completed', {
        summary: `${component} is on the first screen. ${random.hacker.phrase()}`,
        usage: {
          input_tokens: input,
          output_tokens: random.number.int({ min: 300, max: 5_000 }),
          cache_read_input_tokens: input * 3,
          cache_creation_input_tokens: random.number.int({ min: 0, max: 2_000 }),
        },
        cost_usd: random.number.int({ min: 40, max: 4_000 }) / 10_000,
        turns: random.number.int({ min: 3, max: 12 }),
        duration_ms: 0,
      });
      const events = [...before, completed];
      completed.payload.duration_ms = events.reduce((total, { after }) => total + after, 0);
      return { outcome: 'completed', events };
    },

    /** An attempt that ends with an error; `retried` when another one follows. */
    fails(
      attempt: number,
      { code, message: text, retryable }: Failure,
      outcome: 'retried' | 'failed',
    ): Ending {
      const refused = event('tool_use', {
        tool: 'WebFetch',
        input: { url: 'https://docs.example.com/expo/haptics' },
        error: 'The request timed out.',
      });
      const retry = event('status', { status: 'model_retry', attempt });
      const error = event('error', { code, message: text, retryable: retryable && outcome === 'retried' });
      return {
        outcome,
        error: { code, message: text },
        events: [...beginning(attempt), refused, retry, error],
      };
    },

    /** An attempt whose worker died: its events break off. */
    breaksOff(attempt: number): Ending {
      return {
        outcome: 'expired',
        error: { code: 'lease_expired', message: 'The worker stopped answering.' },
        events: beginning(attempt),
      };
    },

    /** An attempt that its user cancelled. */
    isCancelled(attempt: number): Ending {
      return {
        outcome: 'cancelled',
        error: { code: 'cancelled', message: 'Cancelled.' },
        events: [...beginning(attempt), event('status', { status: 'cancelled', attempt })],
      };
    },

    /** An attempt that its worker gave back, because it shut down. */
    isReleased(attempt: number): Ending {
      return {
        outcome: 'released',
        events: [...beginning(attempt), event('status', { status: 'released', attempt })],
      };
    },

    /** An attempt that goes on. */
    runs(attempt: number, component: string): Ending {
      return { outcome: 'running', events: [...beginning(attempt), ...work(component)] };
    },

    /** A command with far more output than anybody reads, just below what an event holds. */
    longOutput(): EventScenario {
      const lines = Array.from({ length: 1_000 }, (_, line) => {
        const file = `node_modules/${random.hacker.noun().replaceAll(' ', '-')}/${random.system.commonFileName('js')}`;
        return `${String(line + 1).padStart(4, '0')} │ bundled ${file} in ${random.number.int({ min: 1, max: 900 })} ms`;
      });
      return terminal('npx expo export --platform all', lines.join('\n').slice(0, 60_000));
    },
  };
}
