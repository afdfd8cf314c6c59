import type { Dice } from '../random.ts';
import type { AttemptScenario, EventScenario, Payload } from '../scenario.ts';
import { commands, components, failures, longOutput, remarks, thoughts } from './phrases.ts';

export type Agent = ReturnType<typeof agentAtWork>;

export type Work = Pick<AttemptScenario, 'outcome' | 'events' | 'error'>;

/** What an agent does in one attempt, told in exactly as many events as it is asked for. */
export function agentAtWork(dice: Dice) {
  const event = (type: EventScenario['type'], payload: Payload): EventScenario => ({
    after: dice.int(400, 3200),
    type,
    payload,
  });
  const started = (attempt: number): EventScenario => ({
    after: 40,
    type: 'status',
    payload: { status: 'started', attempt },
  });
  const sentences = (list: readonly string[]): string => {
    const count = dice.int(1, 3);
    let text = dice.pick(list);
    for (let index = 1; index < count; index++) text += ` ${dice.pick(list)}`;
    return text;
  };
  const path = (): string =>
    dice.perMille(600) ? `components/${dice.pick(components)}.tsx` : `app/${dice.pick(components)}.tsx`;

  const terminal = (): EventScenario => {
    if (dice.perMille(8)) {
      const from = dice.int(0, 20_000);
      const output = longOutput.slice(from, from + dice.int(2_000, 35_000));
      return event('terminal', { command: 'npx expo export --platform all', output, exit_code: 0 });
    }
    const [command, output] = dice.pick(commands);
    return event('terminal', { command, output, exit_code: dice.perMille(60) ? 1 : 0 });
  };
  const fileChange = (): EventScenario => {
    const change = dice.perMille(250) ? 'created' : 'modified';
    const removed = change === 'created' ? 0 : dice.int(0, 20);
    return event('file_change', { path: path(), change, added: dice.int(1, 160), removed });
  };

  const anything = (): EventScenario => {
    const what = dice.int(1, 100);
    if (what <= 18) return event('thinking', { text: sentences(thoughts) });
    if (what <= 38) return event('message', { text: sentences(remarks) });
    if (what <= 64)
      return event('tool_use', { tool: dice.pick(['Read', 'Grep', 'Glob']), input: { file_path: path() } });
    if (what <= 84) return fileChange();
    return terminal();
  };
  const some = (count: number): EventScenario[] => Array.from({ length: Math.max(0, count) }, anything);

  /** The beginning that every attempt has, where there is room for it. */
  const opening = (attempt: number, count: number): EventScenario[] =>
    count > 0 ? [started(attempt), ...some(count - 1)] : [];

  const completed = (before: EventScenario[]): EventScenario => {
    const input = dice.int(900, 14_000);
    const last = event('completed', {
      summary: sentences(remarks),
      usage: {
        input_tokens: input,
        output_tokens: dice.int(300, 5_000),
        cache_read_input_tokens: input * 3,
        cache_creation_input_tokens: dice.int(0, 2_000),
      },
      cost_usd: dice.int(40, 4_000) / 10_000,
      turns: dice.int(3, 12),
      duration_ms: 0,
    });
    last.payload.duration_ms = before.reduce((total, { after }) => total + after, last.after);
    return last;
  };

  return {
    /** Ends well; of four events or more one is usually a preview. At least two. */
    completes(attempt: number, count: number): Work {
      const preview =
        count > 3 && dice.perMille(700)
          ? [event('preview_ready', { url: `https://p${dice.int(100_000, 999_999)}.preview.example.com` })]
          : [];
      const before = [...opening(attempt, count - 1 - preview.length), ...preview];
      return { outcome: 'completed', events: [...before, completed(before)] };
    },

    /** Ends with an error; `retried` when another attempt follows. At least one. */
    fails(attempt: number, count: number, outcome: 'retried' | 'failed', retryable: boolean): Work {
      const { code, message } = dice.pick(failures.filter((failure) => failure.retryable === retryable));
      const error = event('error', { code, message, retryable: outcome === 'retried' });
      return { outcome, error: { code, message }, events: [...opening(attempt, count - 1), error] };
    },

    /** Its worker died. */
    breaksOff(attempt: number, count: number): Work {
      const error = { code: 'lease_expired', message: 'The worker stopped answering.' };
      return { outcome: 'expired', error, events: opening(attempt, count) };
    },

    /** Its user cancelled. At least one. */
    isCancelled(attempt: number, count: number): Work {
      const end = event('status', { status: 'cancelled', attempt });
      const error = { code: 'cancelled', message: 'Cancelled.' };
      return { outcome: 'cancelled', error, events: [...opening(attempt, count - 1), end] };
    },

    /** Goes on. */
    runs: (attempt: number, count: number): Work => ({ outcome: 'running', events: opening(attempt, count) }),
  };
}
