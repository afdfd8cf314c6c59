import type { Tier } from '@mobvibe/db';
import { details, wishes } from '../../content/phrases.ts';
import type { Agent, Work } from '../../content/work.ts';
import type { Dice } from '../../random.ts';
import { type Ago, type AttemptScenario, hours, type JobScenario, minutes, seconds } from '../../scenario.ts';
import { backoff, lengthOfAttempt } from '../../times.ts';
import { workerAt } from './workers.ts';

/** A job whose times count from the beginning of its session: where that lies is decided once its length is known. */
export interface JobTale {
  prompt: string;
  created: number;
  priority: number;
  cancelAsked?: number;
  idempotencyKey?: string;
  delay?: number;
  attempts: Omit<AttemptScenario, 'worker'>[];
}

const MAX_ATTEMPTS = 3;

/** Who tells, with the dice of one user. */
export interface Teller {
  dice: Dice;
  agent: Agent;
  tier: Tier;
}

/** What becomes of the last job of an open session. */
type Last = 'pending' | 'running' | 'done';

/** The jobs of a session, one after the other, each with so many events; and how long that takes. */
export function told(
  { dice, agent, tier }: Teller,
  events: number[],
  last: Last = 'done',
): { jobs: JobTale[]; length: number } {
  const jobs: JobTale[] = [];
  let now = 0;
  for (const [index, count] of events.entries()) {
    const isLast = index === events.length - 1;
    const job: JobTale = { ...asked(dice, tier), created: now, attempts: [] };
    jobs.push(job);
    if (isLast && last === 'pending') {
      if (dice.perMille(150)) job.delay = dice.int(1, 24) * hours(1);
    } else if (count === 0) {
      now += dice.int(1_000, 15_000);
      job.cancelAsked = now;
    } else {
      now += dice.perMille(900) ? dice.int(20, 1_500) : dice.int(1_500, seconds(90));
      for (const work of isLast && last === 'running' ? [agent.runs(1, count)] : worked(dice, agent, count)) {
        const before = job.attempts.at(-1);
        if (before) now += backoff(job.attempts.length) + dice.int(0, 800);
        job.attempts.push({ started: now, ...work });
        now += lengthOfAttempt(work);
        // Just before the worker heard of it.
        if (work.outcome === 'cancelled') job.cancelAsked = now - 300;
      }
    }
    // Reading what came, and thinking of the next wish.
    if (!isLast) now += count === 0 ? dice.int(1_000, seconds(15)) : dice.int(seconds(5), minutes(8));
  }
  return { jobs, length: now };
}

/** The same job with times that count from the present. */
export function jobTale({ created, cancelAsked, attempts, ...job }: JobTale, session: Ago): JobScenario {
  return {
    ...job,
    created: session - created,
    ...(cancelAsked !== undefined && { cancelAsked: session - cancelAsked }),
    attempts: attempts.map((attempt) => {
      const started = session - attempt.started;
      return { ...attempt, started, worker: workerAt(started) };
    }),
  };
}

function asked(dice: Dice, tier: Tier): Pick<JobTale, 'prompt' | 'priority' | 'idempotencyKey'> {
  const more = dice.skewed() > 2_000 ? dice.int(5, 60) : dice.int(0, 2);
  let prompt = dice.pick(wishes);
  for (let sentence = 0; sentence < more; sentence++) prompt += ` ${dice.pick(details)}`;
  return {
    prompt,
    priority: priorityOf(dice, tier),
    ...(dice.perMille(500) && { idempotencyKey: `k-${dice.int(0, 0x7fffffff)}-${dice.int(0, 0x7fffffff)}` }),
  };
}

const highest: Record<Tier, number> = { free: 0, pro: 10, team: 20, enterprise: 100 };

// Most people never touch it; who may go first sometimes does.
function priorityOf(dice: Dice, tier: Tier): number {
  const what = dice.int(1, 100);
  if (what <= 85) return 0;
  if (what <= 92) return -10 * dice.int(1, 5);
  return what <= 98 ? Math.min(10, highest[tier]) : highest[tier];
}

/** The attempts of a job that ended: most succeed at once, some after others, some never. */
function worked(dice: Dice, agent: Agent, count: number): Work[] {
  if (count === 1) return [agent.fails(1, 1, 'failed', false)];
  const what = dice.int(1, 100);
  if (what <= 4) return [agent.isCancelled(1, count)];
  if (what <= 7) return [agent.fails(1, count, 'failed', false)];
  if (count < 2 * MAX_ATTEMPTS || what > 18) return [agent.completes(1, count)];

  // Of three attempts the last one fails more often than that of two.
  const attempts = dice.perMille(700) ? 2 : MAX_ATTEMPTS;
  const works: Work[] = [];
  let left = count;
  for (let attempt = 1; attempt < attempts; attempt++) {
    const told = dice.int(1, Math.floor(left / 3));
    works.push(
      dice.perMille(300) ? agent.breaksOff(attempt, told) : agent.fails(attempt, told, 'retried', true),
    );
    left -= told;
  }
  const fails = attempts === MAX_ATTEMPTS && dice.perMille(600);
  works.push(fails ? agent.fails(attempts, left, 'failed', true) : agent.completes(attempts, left));
  return works;
}
